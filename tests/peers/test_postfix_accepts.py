"""Postfix accepts mail whatever happens to the daemon: smtpd has the rewrite service of
conf/, and the queue manager alone asks."""

import re
import socketserver
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pytest

from harness import behaviours
from harness.onion import onion
from harness.proc import LOOPBACK, SLACK, free_port, wait_until

from .conf import listener_in, snippet
from .faulty import HANG, Act, Faulty, netstring
from .postfix import transport_maps

RECIPIENT = "user@pinned.example"
RIGHT = f"OK smtptor:[{onion('pinned')}]:25".encode()

# Each kind of domain that this server takes mail for.
SITE = """\
local_recipient_maps = inline:{{ {{ user = x }} }}
virtual_alias_domains = alias.example
virtual_alias_maps = inline:{{ {{ user@alias.example = user@site.example }} }}
virtual_mailbox_domains = virtual.example
virtual_mailbox_maps = inline:{{ {{ user@virtual.example = x }} }}
virtual_transport = smtp:[{home.host}]:{home.port}
relay_domains = relay.example
relay_recipient_maps = inline:{{ {{ user@relay.example = x }} }}
relay_transport = smtp:[{home.host}]:{home.port}
"""

OWN = [f"user@{name}.example" for name in ("site", "alias", "virtual", "relay")]
UNKNOWN = [address.replace("user", "nobody") for address in OWN]

LOCAL_FIRST = r"/@(alias|virtual|relay)\.example$/ :" + "\n"


class Site:
    """A Postfix that asks a server in the daemon's place, which is not there at first."""

    def __init__(self, lab, net, postfix, maps="", main=""):
        self.act = Act(netstring(RIGHT))
        self.net, self.postfix = net, postfix
        self.faulty = Faulty("socketmap", lab.dir / "s", self.answer)
        self.sink = net.sink()
        net.socks.route(onion("pinned"), 25, self.sink)
        lines = transport_maps("proxy", lab.dir / "s")
        if maps:
            lines = lines.replace(", proxy:", f", {maps}, proxy:")
        settings = SITE.format(home=net.home) + main
        postfix.configure(lines + settings, own_rewrite=maps)
        with (postfix.etc / "local_first").open("a") as file:
            file.write(LOCAL_FIRST)
        net.run(postfix)

    def answer(self, key):
        if key.endswith("pinned.example"):
            return self.act
        return self.act if self.act.then == HANG else Act(netstring(b"NOTFOUND "))

    def serve(self):
        self.net.run(self.faulty)

    def right_again(self):
        """The answer is right from now on, and what waits is tried again."""
        self.act = Act(netstring(RIGHT))
        self.faulty.released.set()

    def must_arrive(self, *users):
        """What the daemon couldn't say; the queue manager remembers that for 30 s, but
        not for another address."""
        self.postfix.submit("another@pinned.example")
        assert self.postfix.attempt("another@pinned.example").status == "sent"
        self.postfix.flush()
        for user in users:
            self.sink.wait_for(user)
            assert len(self.sink.to(user)) == 1
        assert self.net.clearnet.connections == 0


@pytest.fixture
def make_site(lab, net, make_postfix):
    return lambda *args, **options: Site(lab, net, make_postfix(), *args, **options)


def test_daemon_dead(make_site):
    """Accepted, queued, deferred; delivered when the daemon is back."""
    site = make_site()
    site.postfix.submit(RECIPIENT)
    attempt = site.postfix.attempt(RECIPIENT)
    assert (attempt.status, attempt.dsn) == ("deferred", "4.3.0"), attempt
    assert len(site.postfix.queue()) == 1
    site.serve()
    site.must_arrive(RECIPIENT)


@pytest.mark.parametrize("answer", [b"TEMP no answer", b"PERM no answer"])
def test_daemon_says_temp(make_site, answer):
    site = make_site()
    site.serve()
    site.act = Act(netstring(answer))
    site.postfix.submit(RECIPIENT)
    assert site.postfix.attempt(RECIPIENT).status == "deferred"
    site.right_again()
    site.must_arrive(RECIPIENT)


def test_daemon_hangs(make_site):
    """However many clients come while the queue manager waits for an answer. Each process
    of trivial-rewrite asks for "*" first."""
    site = make_site()
    site.serve()
    site.act = Act(then=HANG)
    users = [f"user{number}@pinned.example" for number in range(10)]
    for user in users:
        site.postfix.submit(user)
    wait_until(lambda: site.faulty.asked, "the queue manager's question")
    more = [f"more{number}@pinned.example" for number in range(10)]
    for user in more:
        site.postfix.submit(user)
    site.right_again()
    for user in users + more:
        assert site.postfix.attempt(user).status == "sent"
        assert len(site.sink.to(user)) == 1
    assert site.net.clearnet.connections == 0


def test_queue_manager_alone_asks(make_site):
    """No sender, and no recipient of a session that ends before its message."""
    site = make_site()
    site.serve()
    assert site.postfix.rcpt(RECIPIENT, "sender@pinned.example")[0] == 250
    site.postfix.submit(*OWN, sender="sender@pinned.example")
    for user in ("user@virtual.example", "user@relay.example", "user@site.example"):
        assert site.postfix.attempt(user).status == "sent"
    assert set(site.faulty.asked) <= {"*"}
    site.postfix.submit(RECIPIENT)
    assert site.postfix.attempt(RECIPIENT).status == "sent"
    assert set(site.faulty.asked) == {"*", RECIPIENT}


@pytest.mark.parametrize("alive", [True, False], ids=["alive", "dead"])
def test_own_recipients_are_judged_as_before(make_site, alive):
    site = make_site()
    if alive:
        site.serve()
    assert [site.postfix.rcpt(user)[0] for user in OWN] == [250] * 4
    assert [site.postfix.rcpt(user)[0] for user in UNKNOWN] == [550] * 4


def test_strangers_may_not_relay(make_site):
    site = make_site(main="mynetworks = 192.0.2.1\n")
    code, text = site.postfix.rcpt(RECIPIENT)
    assert (code, text[:5]) == (454, "4.7.1") and "Relay access denied" in text
    assert site.postfix.rcpt("user@relay.example")[0] == 250


TRANSPORTS = """\
refused.example error:5.1.2 not from here
user@special.example smtp:[{home.host}]:{home.port}
domain.example smtp:[{home.host}]:{home.port}
"""


@pytest.mark.parametrize("kind", ["texthash", "proxy:texthash"])
def test_site_with_transport_maps_of_its_own(lab, net, make_site, kind):
    """Named in both places, so that proxymap allows it, too. Postfix looks for the domain
    only when no map has the address, so a domain waits for the daemon."""
    path = lab.dir / "transport"
    path.write_text(TRANSPORTS.format(home=net.home))
    site = make_site(f"{kind}:{path}")
    code, text = site.postfix.rcpt("user@refused.example")
    assert (code, text) == (550, "5.1.2 <user@refused.example>: Recipient address rejected: "
                                 "not from here")
    users = ["user@special.example", "user@domain.example", RECIPIENT]
    site.postfix.submit(*users)
    outcomes = [site.postfix.attempt(user).status for user in users]
    assert outcomes == ["sent", "deferred", "deferred"]
    site.serve()
    site.must_arrive(RECIPIENT)
    assert site.postfix.attempt("user@domain.example", 2).status == "sent"
    assert [len(net.home.to(user)) for user in users[:2]] == [1, 1]


def test_proxy_trap(lab, make_site):
    """What conf/ warns of: a table by proxymap that only rewrite-smtpd has."""
    path = lab.dir / "transport"
    path.write_text("special.example :\n")
    site = make_site(f"texthash:{path}")
    master = site.postfix.etc / "master.cf"
    master.write_text(master.read_text().replace("texthash:", "proxy:texthash:"))
    site.postfix.command("postfix", "-c", site.postfix.etc, "reload")
    with pytest.raises(OSError):
        site.postfix.rcpt(RECIPIENT, limit=3)
    assert "proxy_read_maps" in "".join(site.postfix.warnings())
    assert "proxy_read_maps" in snippet("postfix/smtpd-master.cf")


def test_each_receiving_service_is_named():
    text = snippet("postfix/smtpd-master.cf")
    commands = re.findall(r"^#   postconf -P (\S+)/rewrite_service_name=rewrite-smtpd$", text, re.M)
    assert commands == ["smtp/inet", "submission/inet", "submissions/inet", "cleanup/unix"]


# The reason in the mail log


@pytest.mark.parametrize("table", ["proxy", "tcp"])
def test_the_log_has_the_reason(lab, net, make_postfix, table):
    """And the queue has, in place of three warnings; the mail is delivered later."""
    dns = lab.dns()
    dns.on("dead.example", behaviours.silence())
    dns.on("a.example", behaviours.servfail())
    address = (LOOPBACK, free_port()) if table == "tcp" else lab.dir / "s"
    options = {
        "protocol": "tcp_table" if table == "tcp" else "socketmap",
        "address": "{}:{}".format(*address) if table == "tcp" else f"unix:{address}",
        "temp_as_retry": re.search(
            r"^#   temp_as_retry = (yes)$", snippet("postfix/smtpd-master.cf"), re.M
        )[1],
    }
    lab.daemon({"postfix": options}, dns=dns, failure_ttl=0)
    postfix = make_postfix().configure(transport_maps(table, address), own_rewrite="")
    net.run(postfix)
    reasons = {"a.example": "DNS failed", "dead.example": "no answer before the deadline"}
    for domain, reason in reasons.items():
        postfix.submit("user@" + domain)
        attempt = postfix.attempt("user@" + domain)
        assert (attempt.status, attempt.dsn) == ("deferred", "4.4.3"), attempt
        assert attempt.reason == "onion route: " + reason
    said = postfix.command("postqueue", "-c", postfix.etc, "-p")
    assert all(f"onion route: {reason}" in said for reason in reasons.values())
    assert postfix.warnings() == []
    assert net.clearnet.connections == 0
    sink = net.sink()
    net.socks.route(onion("a"), 25, sink)
    dns.on("a.example", behaviours.one("a"))
    postfix.submit("another@a.example")
    assert postfix.attempt("another@a.example").status == "sent"
    postfix.flush()
    sink.wait_for("user@a.example")


# With the policy service, a real daemon, and DNS that is slow

POLICY = re.compile(r"^#   (onion_policy = .*\n(?:#     .*\n)+#   \w+ = .*\n)", re.M)


def policy_lines(place):
    """conf/'s lines for main.cf, with another address."""
    text = POLICY.search(snippet("postfix/smtpd-master.cf"))[1].replace("#   ", "")
    return text.replace("#   ", "").replace("127.0.0.1:23002", place)


class SlowDns:
    """The real daemon, which has the listeners of conf/, and a hundred domains that answer
    after this time. Postfix has the policy service, or hasn't."""

    def __init__(self, lab, net, postfix, seconds, policy):
        dns = lab.dns()
        self.net, self.postfix = net, postfix
        self.users = [f"user@d{number}.example" for number in range(100)]
        answer = behaviours.delay(seconds, behaviours.nxdomain())
        for number in range(100):
            dns.on(f"d{number}.example", answer)
        place = f"{LOOPBACK}:{free_port()}"
        options = listener_in("postfix/smtpd-master.cf", place)
        path = lab.dir / "s"
        table = {"protocol": "socketmap", "address": f"unix:{path}"}
        self.daemon = lab.daemon({"policy": options, "postfix": table}, dns=dns)
        lines = transport_maps("proxy", path) + (policy_lines(place) if policy else "")
        net.run(postfix.configure(lines, own_rewrite=""))

    def submit_all(self, clients=10):
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(self.postfix.submit, self.users))

    def outcomes(self):
        return [self.postfix.attempt(user, limit=60).status for user in self.users]


@pytest.mark.parametrize("seconds", [1, 2])
def test_no_cold_domain_is_deferred(lab, net, make_postfix, seconds):
    slow = SlowDns(lab, net, make_postfix(), seconds, policy=True)
    slow.submit_all()
    assert slow.outcomes() == ["sent"] * 100
    assert len(net.clearnet.messages) == 100
    assert slow.daemon.counted("policy_full") == 0


def test_without_the_policy_service_they_are(lab, net, make_postfix):
    slow = SlowDns(lab, net, make_postfix(), 2, policy=False)
    slow.users = slow.users[:10]
    slow.submit_all()
    assert slow.outcomes() == ["deferred"] * 10


class Hanging(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.read()


@pytest.mark.parametrize("hangs", [False, True], ids=["dead", "hanging"])
def test_policy_service_fails(make_site, net, hangs):
    """250 all the same, and soon enough for any client."""
    place = (LOOPBACK, free_port())
    if hangs:
        server = socketserver.ThreadingTCPServer(place, Hanging)
        server.daemon_threads, server.block_on_close = True, False
        Thread(target=server.serve_forever, daemon=True).start()
    site = make_site(main=policy_lines("{}:{}".format(*place)))
    site.serve()
    start = time.monotonic()
    site.postfix.submit(RECIPIENT)
    took = time.monotonic() - start
    assert (5 <= took < 20 * SLACK) if hangs else took < 5 * SLACK, took
    assert site.postfix.attempt(RECIPIENT).status == "sent"
    if hangs:
        server.shutdown()
        server.server_close()


def test_policy_service_in_a_list_of_master_cf(lab, net, make_postfix):
    """As conf/ has it for submission."""
    dns = lab.dns()
    dns.on("a.example", behaviours.delay(1, behaviours.one("a")))
    place = f"{LOOPBACK}:{free_port()}"
    daemon = lab.daemon({"policy": listener_in("postfix/smtpd-master.cf", place)}, dns=dns)
    option = re.search(r"-o (smtpd_recipient_restrictions=(\S+))", snippet("postfix/smtpd-master.cf"))
    lines = policy_lines(place).replace("\nsmtpd_recipient_restrictions = $onion_policy", "")
    postfix = make_postfix().configure(lines, own_rewrite="")
    command = f"{postfix.host}:{postfix.port}/inet/{option[1]}"
    postfix.command("postconf", "-c", postfix.etc, "-P", command)
    net.run(postfix)
    assert postfix.rcpt("user@a.example")[0] == 554
    assert daemon.counted("policy_lookups") == dns.count("a.example") == 1
