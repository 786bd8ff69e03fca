"""Postfix with the bridge's lines of conf/, and the real daemon. smtp(8) is chrooted, and
not wrapped in anything."""

import pwd
from pathlib import Path

import pytest

from harness.onion import mistyped, onion
from harness.proc import LOOPBACK, free_port, wait_until
from harness.unbound import DEAD_ZONE

from .bridge import bridge_daemon
from .conf import service_in
from .postfix import SENDER, TABLES, bridge_main

NO_DESCRIPTOR = 0xF0


@pytest.fixture
def daemon(lab, net):
    return bridge_daemon(lab, net)


@pytest.fixture
def start(make_postfix, net):
    """A function that starts Postfix, which asks a daemon; with more lines than those of
    conf/."""

    def start(daemon, main="", master=""):
        lines = bridge_main(daemon.unix_path("postfix"))
        return net.run(make_postfix().configure(lines + main, master))

    return start


@pytest.fixture
def postfix(daemon, start):
    return start(daemon)


def pinned(net):
    sink = net.sink()
    net.socks.route(onion("pinned"), 25, sink)
    return sink


def nothing_by_clearnet(net):
    assert net.clearnet.connections == 0


@pytest.mark.parametrize("table", TABLES)
def test_every_table(lab, make_postfix, net, table):
    """All that transport_maps can be in conf/, and where smtp(8) asks about TLS: that is
    a socketmap always."""
    postfix = make_postfix()
    address = f"{LOOPBACK}:{free_port()}"
    routes = {
        "proxy": f"{TABLES['proxy']}:onion",
        "chroot": f"{TABLES['chroot']}:onion",
        "inet": f"socketmap:inet:{address}:onion",
        "tcp": f"tcp:{address}",
    }[table]
    tls = None if table == "tcp" else routes.replace(":onion", ":tls")
    if table == "chroot":
        address = f"unix:{postfix.in_queue_directory}"
    protocol = "tcp_table" if table == "tcp" else "socketmap"
    one = {"protocol": protocol, "address": address, "answer": "bridge"}
    map = f"may.example {onion('pinned')}\nstrict.example {onion('pinned')} tls=encrypt\n"
    daemon = bridge_daemon(lab, net, map=map, listeners={"one": one})
    path = daemon.unix_path("postfix")
    net.run(postfix.configure(bridge_main(path, routes, tls), ""))

    sink = pinned(net)
    postfix.send("user@may.example", "user@strict.example")
    assert postfix.attempt("user@may.example").status == "sent"
    strict = postfix.attempt("user@strict.example")
    assert strict.status == "deferred" and "TLS is required" in strict.reason, strict
    assert [m.recipients for m in sink.messages] == [["user@may.example"]]
    nothing_by_clearnet(net)


def test_delivery(daemon, postfix, net):
    """By SRV, to a port that isn't 25. Tor gets the name."""
    sink = net.sink()
    net.socks.route(onion("srv"), 2525, sink)
    postfix.send("user@srv.example", body="Hello.\n.\n..dots\n")
    attempt = postfix.attempt("user@srv.example")
    [(host, port)] = daemon.ask("postfix", "srv.example").targets()
    assert (attempt.status, attempt.relay) == ("sent", f"{host}[{host}]:{port}"), attempt
    [message] = sink.messages
    assert (message.sender, message.recipients) == (SENDER, ["user@srv.example"])
    assert message.data.endswith(b"\r\n\r\nHello.\r\n.\r\n..dots\r\n")
    assert net.socks.asked == [(onion("srv"), 2525)]
    wait_until(lambda: not postfix.queue(), "the queue to be empty")
    nothing_by_clearnet(net)


def test_smtp_is_plain_and_chrooted(postfix, net):
    pinned(net)
    postfix.send("user@pinned.example")
    assert postfix.attempt("user@pinned.example").status == "sent"
    [smtp] = postfix.processes("smtp")
    assert Path(f"/proc/{smtp}/root").readlink() == postfix.dir / "queue"
    assert "torsocks" not in Path(f"/proc/{smtp}/maps").read_text()


def test_first_target_is_dead(postfix, net):
    sink = net.sink()
    net.socks.route(onion("alive"), 2526, sink)
    postfix.send("user@two.example")
    assert postfix.attempt("user@two.example").status == "sent"
    assert len(sink.to("user@two.example")) == 1
    assert net.socks.asked == [(onion("dead"), 2525), (onion("alive"), 2526)]


@pytest.mark.parametrize(
    "failure, why",
    [
        (lambda socks: None, "connection refused"),
        (lambda socks: setattr(socks, "refusal", NO_DESCRIPTOR), "descriptor not found"),
        (lambda socks: setattr(socks, "dying", True), "tor closed the connection"),
    ],
    ids=["refused", "no descriptor", "tor dies"],
)
def test_the_log_says_why(postfix, net, failure, why):
    failure(net.socks)
    postfix.send("user@two.example")
    attempt = postfix.attempt("user@two.example")
    assert (attempt.status, attempt.dsn) == ("deferred", "4.4.1"), attempt
    assert f"421 4.4.1 onion service unreachable: {why}" in attempt.reason
    assert postfix.queue()
    assert net.home.messages == []
    nothing_by_clearnet(net)


def test_each_recipient_goes_its_way(postfix, net):
    sink = pinned(net)
    net.socks.route(onion("srv"), 2525, sink)
    sent = ["d@pinned.example", "e@srv.example"]
    gone = ["a@absent.example", "f@ignored.example"]
    waits, fails = "b@a." + DEAD_ZONE, "c@" + mistyped("x")
    postfix.send(*sent, *gone, waits, fails)
    outcomes = [postfix.attempt(r).status for r in (*sent, *gone, waits, fails)]
    assert outcomes == ["sent"] * 4 + ["deferred", "bounced"]
    assert [len(sink.to(recipient)) for recipient in sent] == [1, 1]
    assert sorted(sum((m.recipients for m in net.clearnet.messages), [])) == gone
    bounce = net.home.wait_for(SENDER)
    assert fails in bounce.text and waits not in bounce.text


@pytest.mark.parametrize("service", [False, True], ids=["smtp", "own service"])
def test_site_with_a_fallback_relay(lab, net, start, service):
    """Mail for an onion service that is down goes there, unless the listener names the
    service that conf/ has for this."""
    options = {"transport": "smtponion"} if service else {}
    daemon = bridge_daemon(lab, net, options=options)
    relay = f"[{net.clearnet.host}]:{net.clearnet.port}"
    master = service_in("postfix/bridge-main.cf")
    postfix = start(daemon, f"smtp_fallback_relay = {relay}\n", master)
    postfix.send("user@two.example")
    attempt = postfix.attempt("user@two.example")
    assert attempt.status == ("deferred" if service else "sent"), attempt
    assert len(net.clearnet.messages) == (not service)
    assert net.socks.asked == [(onion("dead"), 2525), (onion("alive"), 2526)]


UID = str(pwd.getpwnam("postfix").pw_uid)


@pytest.mark.parametrize(
    "users, may", [(["root", "postfix"], True), ([UID], True), (["nobody"], False)]
)
def test_who_may_connect(lab, net, start, users, may):
    """smtp(8) is Postfix's user."""
    daemon = bridge_daemon(lab, net, bridge_users=users)
    postfix = start(daemon)
    sink = pinned(net)
    postfix.send("user@pinned.example")
    attempt = postfix.attempt("user@pinned.example")
    assert attempt.status == ("sent" if may else "deferred"), attempt
    assert may or "421 4.7.0 this user may not connect" in attempt.reason
    assert len(sink.messages) == len(net.socks.asked) == may
    assert daemon.counted("bridge_denied") == (not may)


def test_daemon_down_and_up_again(daemon, postfix, net):
    """Mail waits, that for local users is taken. The address is the one of before."""
    sink = pinned(net)
    postfix.send("first@pinned.example")
    first = postfix.attempt("first@pinned.example")
    daemon.kill()
    postfix.send("second@pinned.example")
    assert postfix.attempt("second@pinned.example").status == "deferred"
    assert postfix.rcpt("user@pinned.example")[0] == 451
    assert postfix.rcpt("user@site.example")[0] == 250
    daemon.start()
    # The queue manager remembers what became of the last address, for 30 seconds.
    postfix.send("third@pinned.example")
    assert postfix.attempt("third@pinned.example") == first
    postfix.flush()
    assert postfix.attempt("second@pinned.example", 2) == first
    assert len(sink.messages) == 3
    nothing_by_clearnet(net)


@pytest.mark.parametrize("own", [False, True], ids=["no policy", "own policy"])
def test_mail_for_a_server_of_ones_own(daemon, make_postfix, net, own):
    """While the daemon is down. smtp(8) asks it about TLS, unless the site has a policy."""
    lines = bridge_main(daemon.unix_path("postfix"))
    if own:
        policy = f"inline:{{ {{ [{net.home.host}]:{net.home.port} = may }} }}, "
        lines = lines.replace("policy_maps = ", "policy_maps = " + policy)
    postfix = net.run(make_postfix().configure(lines, ""))
    daemon.kill()
    postfix.send("user@site.example")
    attempt = postfix.attempt("user@site.example")
    assert attempt.status == ("sent" if own else "deferred"), attempt
    assert len(net.home.messages) == own
