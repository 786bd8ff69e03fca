"""What the log says of resolvers and tors that go down and come back, and of DNSSEC. All
at the default level."""

import re
import time

import pytest

from e2e.netns import EXTRA, Namespace
from harness import behaviours as does
from harness import dnsmsg, scripted_socks
from harness.bridged import connect_to, make_bridged, where
from harness.clients import NONE, ROUTE, TEMP
from harness.crowd import ask_all
from harness.onion import onion
from harness.preload import Clock
from harness.proc import SLACK, wait_until

DOWN = "down: it doesn't answer"

TIMEOUT_MS = int(250 * SLACK)


class Subject:
    """A server that goes down and comes back, and the daemon that asks it. poke() asks for
    something that it hasn't been asked for yet, and says whether there was an answer.
    gone: when it is down, nothing listens there; otherwise it is silent."""

    what = counter = None

    def __init__(self, lab, gone=False, prefix=()):
        self.lab, self.gone = lab, gone
        self.server = self.make_server()
        self.asked = 0
        self.daemon = self.make_daemon(prefix=prefix).start()

    def lines(self):
        """What the log says of it."""
        head = f"onionmxd: warning: {self.what} {self.server.address} is "
        lines = self.daemon.output().splitlines()
        return [line.removeprefix(head) for line in lines if line.startswith(head)]

    def outages(self):
        return self.daemon.counted(self.counter)

    def next(self):
        self.asked += 1
        return f"d{self.asked}.example"

    def go_down(self):
        before = self.outages()
        self.server.stop() if self.gone else self.fall_silent()
        wait_until(lambda: not self.poke() and self.outages() > before, "the outage")

    def come_back(self):
        if self.gone:
            self.restart()
        else:
            self.answer()
        wait_until(self.poke, "the end of the outage")


class Resolver(Subject):
    what, counter = "resolver", "dns_down"

    def make_server(self, port=None):
        dns = self.lab.dns(port=port)
        dns.below("", does.nxdomain())
        dns.root = does.nodata()
        return dns

    def make_daemon(self, **options):
        times = {"dns_timeout_ms": TIMEOUT_MS, "dns_tries": 1, "failure_ttl": 0}
        return self.lab.make_daemon(dns=self.server, dnssec="off", **times, **options)

    def poke(self):
        return self.daemon.ask("tcp_table", self.next()).outcome == NONE

    def fall_silent(self):
        self.server.below("", does.silence())
        self.server.root = does.silence()

    def answer(self):
        self.server.below("", does.nxdomain())
        self.server.root = does.nodata()

    def restart(self):
        self.server = self.make_server(self.server.port)


class DnsPort(Subject):
    what, counter = "tor's DNSPort", "tor_down"

    def make_server(self, port=None):
        tor = self.lab.dns(prefix="", port=port)
        tor.below("", does.a_records())
        return tor

    def make_daemon(self, **options):
        times = {"tor_timeout_ms": TIMEOUT_MS, "tor_tries": 1}
        return self.lab.make_daemon(tor=self.server, **times, **options)

    def poke(self):
        return self.daemon.ask("readsocket", onion(self.next())).outcome == ROUTE

    def fall_silent(self):
        self.server.below("", does.silence())

    def answer(self):
        self.server.below("", does.a_records())

    def restart(self):
        self.server = self.make_server(self.server.port)


class Socks(Subject):
    """Silent is one that closes each connection at once."""

    what, counter = "tor's SOCKS port", "socks_down"

    def make_server(self):
        return self.lab.socks()

    def make_daemon(self, **options):
        return make_bridged(self.lab, self.server, **options)

    def poke(self):
        with connect_to(where(self.daemon, onion("a"))) as s:
            s.sendall(b"x")
            return s.recv(1) == b"x"

    def fall_silent(self):
        self.server.greeting = scripted_socks.closes

    def answer(self):
        self.server.greeting = None

    def restart(self):
        self.server.start()


KINDS = {"resolver": Resolver, "DNSPort": DnsPort, "SOCKS": Socks}
of_each_kind = pytest.mark.parametrize("kind", KINDS)


@of_each_kind
@pytest.mark.parametrize("gone", [False, True], ids=["silent", "gone"])
def test_down_and_back(lab, kind, gone):
    """A line each, however often it is probed; the seconds are those of the outage."""
    subject = KINDS[kind](lab, gone)
    wait_until(subject.poke, "an answer")
    assert not subject.lines()
    began = time.monotonic()
    subject.go_down()
    wait_until(subject.lines, "the line")
    fell = time.monotonic()
    wait_until(lambda: not subject.poke() and time.monotonic() > fell + 2, "some probes")
    assert subject.lines() == [DOWN]
    subject.come_back()
    wait_until(lambda: len(subject.lines()) > 1, "the other line")
    for _ in range(20):
        subject.poke()
    first, second = subject.lines()
    seconds = int(re.fullmatch(r"back after (\d+) s", second)[1])
    assert first == DOWN and 2 <= seconds <= time.monotonic() - began
    assert subject.outages() == 1


@of_each_kind
def test_a_long_outage(lab, kind):
    """It isn't told again after a minute."""
    clock = Clock(lab.dir)
    subject = KINDS[kind](lab, prefix=clock.prefix)
    subject.go_down()
    for _ in range(3):
        clock.advance(70)
        fell = time.monotonic()
        wait_until(lambda: not subject.poke() and time.monotonic() > fell + 1, "probes")
    assert subject.lines() == [DOWN]
    subject.come_back()
    wait_until(lambda: len(subject.lines()) > 1, "the other line")
    first, second = subject.lines()
    assert first == DOWN and int(re.fullmatch(r"back after (\d+) s", second)[1]) >= 210


REPORT = re.compile(rf"{DOWN}(?:; (\d+) outages in the last (\d+) s)?")


@of_each_kind
def test_flapping(lab, kind):
    """A report in a minute, and one of its end. It counts what was left out since the one
    before."""
    clock = Clock(lab.dir)
    subject = KINDS[kind](lab, prefix=clock.prefix)
    began = time.monotonic()
    for _ in range(4):
        subject.go_down()
        subject.come_back()
    subject.go_down()
    clock.advance(70)
    down = lambda: subject.lines()[-1].startswith("down")
    wait_until(lambda: subject.poke() or down(), "a report")
    subject.come_back()
    wait_until(lambda: subject.lines()[-1].startswith("back"), "its end")
    downs, backs = subject.lines()[::2], subject.lines()[1::2]
    assert len(downs) == len(backs) and all(line.startswith("back") for line in backs)
    reports = [REPORT.fullmatch(line).groups() for line in downs]
    assert sum(int(outages or 1) for outages, _ in reports) == subject.outages() == 5
    assert all(int(seconds or 60) >= 60 for _, seconds in reports)
    # Two, unless the machine is very slow.
    assert len(reports) <= 1 + (time.monotonic() - began + clock.ahead) // 60
    assert reports[0] == (None, None)


def test_two_resolvers(lab):
    """The other one isn't named, and nobody notices."""
    one, other = lab.dns(), lab.dns()
    for dns in one, other:
        dns.below("", does.nxdomain())
    daemon = lab.daemon(
        resolvers=[one.address, other.address], dnssec="off", dns_timeout_ms=200
    )
    one.stop()
    for i in range(8):
        assert daemon.ask("tcp_table", f"d{i}.example").outcome == NONE
    wait_until(lambda: f"resolver {one.address} is down" in daemon.output(), "the line")
    assert other.address + " is" not in daemon.output()


def test_a_dead_zone(lab):
    """Many names that nobody answers for. The resolver answers the probe."""
    dns = lab.dns()
    dns.below("", does.silence())
    dns.root = does.nodata()
    daemon = lab.daemon(dns=dns, dnssec="off", dns_timeout_ms=1000, dns_tries=1)
    for zone in "one", "two":
        keys = [f"d{i}.{zone}.example" for i in range(20)]
        answers = ask_all(daemon, keys, ["tcp_table"], alone=20)
        assert {r.answer for r in answers} == {(TEMP, "DNS timed out")}
    wait_until(lambda: dns.root_seen > 0, "a probe")
    assert "warning" not in daemon.output() and daemon.counted("dns_down") == 0


def test_only_a_probe_tells(lab):
    """For which five unanswered questions are the reason."""
    dns = lab.dns()
    dns.below("", does.silence())
    dns.root = does.silence()
    daemon = lab.daemon(dns=dns, dnssec="off", dns_timeout_ms=100, dns_tries=1)
    for i in range(4):
        assert daemon.ask("tcp_table", f"d{i}.example") == (TEMP, "DNS timed out")
    assert dns.root_seen == 0 and "warning" not in daemon.output()
    assert daemon.ask("tcp_table", "d4.example") == (TEMP, "DNS timed out")
    wait_until(lambda: f"{dns.address} is down" in daemon.output(), "the line")
    assert dns.root_seen >= 1


# DNSSEC

UNVALIDATED = (
    "onionmxd: warning: no resolver on this machine validates DNSSEC, so routes from DNS "
    "can be forged on the network: name one that does, such as unbound, in "
    '"resolvers", or set dnssec = off\n'
)
ADDRESS = does.one_record(dnsmsg.A, bytes([192, 0, 2, 1]))


def warned(daemon):
    return daemon.output().count(UNVALIDATED)


def resolvers(lab, *roots):
    """One for each answer about the root; what they say of other names isn't
    validated."""
    for root in roots:
        dns = lab.dns()
        dns.below("", does.nxdomain())
        dns.root = root
        yield dns


def start(lab, servers, **settings):
    return lab.daemon(resolvers=[dns.address for dns in servers], **settings)


def settled(daemon, servers):
    """All have been asked for the root, and what they said has been heard."""
    wait_until(lambda: all(dns.root_seen for dns in servers), "the question")
    for i in range(3):
        daemon.ask("tcp_table", f"d{i}.example")


NOT_VALIDATING = {
    "NODATA": [does.nodata()],
    "NODATA without SOA": [does.absent_without_soa(dnsmsg.NOERROR)],
    "NXDOMAIN": [does.nxdomain()],
    "a record": [ADDRESS],
    "late": [does.delay(0.5, does.nodata())],
    "two": [does.nodata(), does.nodata()],
    "one, and one fails": [does.nodata(), does.servfail()],
    "one fails with AD": [does.nodata(), does.validated(does.servfail())],
}
VALIDATING = {
    "NODATA": [does.validated(does.nodata())],
    "a record": [does.validated(ADDRESS)],
    "the second": [does.nodata(), does.validated(does.nodata())],
    "the first": [does.validated(does.nodata()), does.nodata()],
    "the other fails": [does.validated(does.nodata()), does.servfail()],
}
UNKNOWN = {
    "SERVFAIL": [does.servfail()],
    "REFUSED": [does.rcode(dnsmsg.REFUSED)],
    "garbage": [does.garbage()],
    "referral": [does.referral()],
    "two": [does.servfail(), does.rcode(dnsmsg.REFUSED)],
}


@pytest.mark.parametrize("dnssec", ["prefer", "require"])
@pytest.mark.parametrize("case", NOT_VALIDATING)
def test_none_validates(lab, case, dnssec):
    servers = list(resolvers(lab, *NOT_VALIDATING[case]))
    daemon = start(lab, servers, dnssec=dnssec)
    wait_until(lambda: warned(daemon), "the warning")
    settled(daemon, servers)
    assert warned(daemon) == 1
    assert [dns.root_seen for dns in servers] == [1] * len(servers)


@pytest.mark.parametrize("case", [*VALIDATING, *UNKNOWN])
def test_no_warning(lab, case):
    """One validates, or nothing is known of any."""
    servers = list(resolvers(lab, *{**UNKNOWN, **VALIDATING}[case]))
    daemon = start(lab, servers)
    settled(daemon, servers)
    assert not warned(daemon)


def test_who_validates_may_be_slow(lab):
    slow = does.delay(0.5, does.validated(does.nodata()))
    servers = list(resolvers(lab, does.nodata(), slow))
    daemon = start(lab, servers)
    settled(daemon, servers)
    time.sleep(0.6)
    settled(daemon, servers)
    assert not warned(daemon)


def test_silence_is_no_answer(lab):
    clock = Clock(lab.dir)
    servers = list(resolvers(lab, does.silence()))
    daemon = start(lab, servers, prefix=clock.prefix)
    settled(daemon, servers)
    clock.advance(15)
    settled(daemon, servers)
    assert "warning" not in daemon.output()


def test_silence_is_not_waited_for(lab):
    """One doesn't validate, and the other says nothing for ten seconds."""
    clock = Clock(lab.dir)
    servers = list(resolvers(lab, does.silence(), does.nodata()))
    daemon = start(lab, servers, prefix=clock.prefix)
    settled(daemon, servers)
    assert not warned(daemon)
    clock.advance(15)
    wait_until(lambda: warned(daemon), "the warning")
    settled(daemon, servers)
    assert warned(daemon) == 1


def test_dnssec_off(lab):
    """Nobody is asked for the root."""
    servers = list(resolvers(lab, does.nodata()))
    daemon = start(lab, servers, dnssec="off")
    for i in range(30):
        assert daemon.ask("tcp_table", f"d{i}.example").outcome == NONE
    assert servers[0].root_seen == 0 and "warning" not in daemon.output()


def test_a_far_resolver_that_validates(lab):
    """On the way from there anybody can set the bit."""
    with Namespace():
        far = lab.dns(host=EXTRA)
        far.below("", does.nxdomain())
        far.root = does.validated(does.nodata())
        daemon = lab.daemon(dns=far)
        wait_until(lambda: warned(daemon), "the warning")
        lab.close()

