"""Postfix with the lines of conf/, and the real daemon."""

import pytest

from harness import behaviours
from harness.onion import mistyped, onion
from harness.proc import LOOPBACK, free_port, wait_until
from harness.unbound import DEAD_ZONE

from .conf import commented_out, snippet
from .postfix import SENDER, TABLES, transport_maps


@pytest.fixture
def world(make_world):
    return make_world()


@pytest.fixture
def postfix(world, net, make_postfix):
    table = transport_maps("proxy", world.daemon.unix_path("socketmap"))
    return net.run(make_postfix().configure(table))


def nothing_by_clearnet(net):
    assert net.clearnet.connections == 0


@pytest.mark.parametrize("table", TABLES)
def test_every_table(lab, make_world, make_postfix, net, table):
    """All that transport_maps can be in conf/, through torsocks and chrooted."""
    postfix = make_postfix()
    port = free_port()
    address = {
        "proxy": f"unix:{lab.dir}/s",
        "chroot": f"unix:{postfix.in_queue_directory}",
    }.get(table, f"{LOOPBACK}:{port}")
    protocol = "tcp_table" if table == "tcp" else "socketmap"
    make_world(listeners={"l": {"protocol": protocol, "address": address}})
    place = {"proxy": lab.dir / "s", "chroot": None}.get(table, (LOOPBACK, port))
    net.run(postfix.configure(transport_maps(table, place)))

    sink = net.sink()
    net.socks.route(onion("pinned"), 25, sink)
    postfix.send("user@pinned.example")
    assert postfix.attempt("user@pinned.example").status == "sent"
    assert len(sink.messages) == 1
    assert net.socks.asked == [(onion("pinned"), 25)]
    nothing_by_clearnet(net)


def test_delivery_by_onion_name(postfix, net):
    """By SRV, to a port that isn't 25. Tor gets the name, and nobody else does."""
    sink = net.sink()
    net.socks.route(onion("port"), 2525, sink)
    postfix.send("user@port.example", body="Hello.\n.\n..dots\n")
    attempt = postfix.attempt("user@port.example")
    assert attempt.status == "sent", attempt
    assert attempt.relay.startswith(onion("port") + "[")
    [message] = sink.messages
    assert (message.sender, message.recipients) == (SENDER, ["user@port.example"])
    assert message.data.endswith(b"\r\n\r\nHello.\r\n.\r\n..dots\r\n")
    assert net.socks.asked == [(onion("port"), 2525)]
    wait_until(lambda: not postfix.queue(), "the queue to be empty")
    nothing_by_clearnet(net)


def test_onion_recipient(postfix, net):
    sink = net.sink()
    net.socks.route(onion("recipient"), 25, sink)
    recipient = "user@" + onion("recipient")
    postfix.send(recipient)
    assert postfix.attempt(recipient).status == "sent"
    assert len(sink.to(recipient)) == 1
    nothing_by_clearnet(net)


def test_first_target_is_dead(postfix, net):
    sink = net.sink()
    net.socks.route(onion("alive"), 2526, sink)
    postfix.send("user@two.example")
    assert postfix.attempt("user@two.example").status == "sent"
    assert len(sink.to("user@two.example")) == 1
    assert net.socks.asked == [(onion("dead"), 2525), (onion("alive"), 2526)]
    nothing_by_clearnet(net)


def test_tor_dies_while_it_connects(postfix, net):
    """On a socket that doesn't block, torsocks takes the end of the connection for an
    answer that hasn't come yet, and asks again, for ever."""
    net.socks.dying = True
    recipients = [f"user{number}@pinned.example" for number in range(5)]
    for recipient in recipients:
        postfix.send(recipient)
        attempt = postfix.attempt(recipient)
        assert attempt.status == "deferred", attempt
    assert len(net.socks.asked) == 5
    net.socks.dying = False
    sink = net.sink()
    net.socks.route(onion("pinned"), 25, sink)
    postfix.flush()
    for recipient in recipients:
        sink.wait_for(recipient)
    nothing_by_clearnet(net)


def test_all_targets_are_dead(postfix, net):
    postfix.send("user@two.example")
    assert postfix.attempt("user@two.example").status == "deferred"
    assert len(net.socks.asked) == 2
    nothing_by_clearnet(net)


def test_site_that_insists_on_tls(world, make_postfix, net):
    """That is for clearnet. It must not stop mail to onion services."""
    postfix = make_postfix()
    table = transport_maps("proxy", world.daemon.unix_path("socketmap"))
    net.run(postfix.configure(table + "smtp_tls_security_level = encrypt\n"))
    sink = net.sink()
    net.socks.route(onion("pinned"), 25, sink)
    postfix.send("user@pinned.example", "user@absent.example")
    assert postfix.attempt("user@pinned.example").status == "sent"
    assert postfix.attempt("user@absent.example").status == "deferred"


@pytest.mark.parametrize("transport", ["torsocks", "TransPort"])
def test_site_with_a_fallback_relay(make_world, make_postfix, net, transport):
    """It must not get mail for an onion service that is down."""
    world = make_world("127.192.0.0/10")
    master = snippet("postfix/master.cf")
    listener = "socketmap"
    if transport == "TransPort":
        master, listener = commented_out(master), "socketmap_address"
    postfix = make_postfix()
    table = transport_maps("proxy", world.daemon.unix_path(listener))
    relay = f"[{net.clearnet.host}]:{net.clearnet.port}"
    net.run(postfix.configure(f"{table}smtp_fallback_relay = {relay}\n", master))
    postfix.send("user@two.example")
    assert postfix.attempt("user@two.example").status == "deferred"
    assert len(net.socks.asked) == (2 if transport == "torsocks" else 0)
    nothing_by_clearnet(net)


@pytest.mark.parametrize("domain", ["absent.example", "ignored.example"])
def test_none_goes_the_normal_way(postfix, net, domain):
    postfix.send("user@" + domain)
    assert postfix.attempt("user@" + domain).status == "sent"
    assert len(net.clearnet.to("user@" + domain)) == 1
    assert net.socks.asked == []
    assert postfix.rcpt("user@" + domain)[0] == 250


def test_temp_waits(postfix, net):
    recipient = "user@a." + DEAD_ZONE
    postfix.send(recipient)
    attempt = postfix.attempt(recipient)
    assert (attempt.status, attempt.dsn) == ("deferred", "4.3.0"), attempt
    assert postfix.rcpt(recipient)[0] == 451
    assert postfix.queue()
    nothing_by_clearnet(net)


def test_temp_at_the_deadline(lab, make_world, make_postfix, net):
    """With the daemon's default deadline for Postfix."""
    dns = lab.dns()
    dns.on("hangs.example", behaviours.silence())
    listeners = lab.listeners(deadline_ms=500)
    path = make_world(dns=dns, listeners=listeners).daemon.unix_path("socketmap")
    postfix = net.run(make_postfix().configure(transport_maps("proxy", path)))
    postfix.send("user@hangs.example")
    attempt = postfix.attempt("user@hangs.example")
    assert (attempt.status, attempt.dsn) == ("deferred", "4.3.0"), attempt
    nothing_by_clearnet(net)


def test_fail_bounces(postfix, net):
    recipient = "user@" + mistyped("x")
    postfix.send(recipient)
    attempt = postfix.attempt(recipient)
    assert (attempt.status, attempt.dsn) == ("bounced", "5.4.4"), attempt
    bounce = net.home.wait_for(SENDER)
    assert bounce.sender == "" and recipient in bounce.text
    assert postfix.rcpt(recipient)[0] == 550
    wait_until(lambda: not postfix.queue(), "the queue to be empty")
    nothing_by_clearnet(net)


def test_each_recipient_goes_its_way(postfix, net):
    sink = net.sink()
    for seed in ("pinned", "srv"):
        net.socks.route(onion(seed), 25, sink)
    gone, waits, fails = "a@absent.example", "b@a." + DEAD_ZONE, "c@" + mistyped("x")
    sent = ["d@pinned.example", "e@srv.example"]
    postfix.send(*sent, gone, waits, fails)
    outcomes = [postfix.attempt(r).status for r in (*sent, gone, waits, fails)]
    assert outcomes == ["sent", "sent", "sent", "deferred", "bounced"]
    assert [len(sink.to(recipient)) for recipient in sent] == [1, 1]
    assert [m.recipients for m in net.clearnet.messages] == [[gone]]


def test_utf8_recipient(postfix, net):
    """The domain comes as it is in UTF-8, and the mail is refused only by the sink,
    which offers no SMTPUTF8: it got as far as that."""
    sink = net.sink()
    net.socks.route(onion("munich"), 25, sink)
    postfix.send("jörg@münchen.example")
    attempt = postfix.attempt("jörg@münchen.example")
    assert (attempt.status, attempt.dsn) == ("bounced", "5.6.7"), attempt
    assert net.socks.asked == [(onion("munich"), 25)]
    nothing_by_clearnet(net)


def test_local_mail_needs_no_daemon(world, postfix, net):
    """It stays here even where the daemon has a route: the site's own onion service."""
    postfix.send("first@site.example")
    assert postfix.attempt("first@site.example").status == "sent"
    assert len(net.home.to("first@site.example")) == 1
    world.daemon.kill()
    for sender in (SENDER, "user@pinned.example"):
        assert postfix.rcpt("somebody@site.example", sender)[0] == 250
        assert postfix.rcpt("user@pinned.example", sender)[0] == 451
    postfix.send("somebody@site.example")
    assert postfix.attempt("somebody@site.example").status == "sent"
    assert len(net.home.to("somebody@site.example")) == 1


def test_down_and_up_again(world, postfix, net):
    sink = net.sink()
    net.socks.route(onion("pinned"), 25, sink)
    world.daemon.kill()
    postfix.send("user@pinned.example")
    assert postfix.attempt("user@pinned.example").status == "deferred"
    world.daemon.start()
    # The queue manager remembers what became of the last address, for 30 seconds.
    postfix.send("another@pinned.example")
    assert postfix.attempt("another@pinned.example").status == "sent"
    postfix.flush()
    assert postfix.attempt("user@pinned.example", 2).status == "sent"
    assert len(sink.messages) == 2
    nothing_by_clearnet(net)


def test_virtual_addresses(make_world, make_postfix, net):
    """conf/'s other transport, as with TransPort. Tor's range is on loopback here, so
    that the sinks can have the addresses themselves."""
    world = make_world("127.192.0.0/10")
    table = transport_maps("proxy", world.daemon.unix_path("socketmap_address"))
    master = commented_out(snippet("postfix/master.cf"))
    postfix = net.run(make_postfix().configure(table, master))
    sink = net.sink(host=world.virtual("alive"), port=2526)
    postfix.send("user@two.example")
    attempt = postfix.attempt("user@two.example")
    assert attempt.status == "sent", attempt
    assert attempt.relay == f"{sink.host}[{sink.host}]:2526"
    assert len(sink.to("user@two.example")) == 1
    nothing_by_clearnet(net)
