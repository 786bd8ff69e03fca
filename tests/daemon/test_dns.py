"""Answers that a good DNS server doesn't give, and what becomes of them."""

import struct

import pytest

from harness import behaviours as does
from harness import dnsmsg
from harness.clients import NONE, ROUTE, TEMP
from harness.onion import mistyped, onion
from harness.proc import LOOPBACK, free_port, wait_until

GOOD = ((10, 10, 25, onion("good")),)
HEAD = struct.pack("!HHH", 10, 10, 25)
WIRE = dnsmsg.name(onion("good"))

# Nothing here proves anything, so all of it is TEMP.
UNCERTAIN = {
    "silence": does.silence(),
    "servfail": does.servfail(),
    "refused": does.rcode(dnsmsg.REFUSED),
    "formerr": does.rcode(dnsmsg.FORMERR),
    "notimp": does.rcode(dnsmsg.NOTIMP),
    "rcode 15": does.rcode(15),
    "BADVERS with an SOA": does.absent(16),
    "rcode 19, whose lower half is NXDOMAIN": does.absent(19),
    "truncated, and TCP silent": does.truncated(does.silence()),
    "truncated, and TCP closes": does.truncated(does.close()),
    "truncated by TCP, too": does.always_truncated(),
    "truncated by TCP with a record": does.truncated(does.with_tc(does.one("good"))),
    "truncated NXDOMAIN": does.truncated(does.with_tc(does.nxdomain())),
    "truncated, and TCP cuts": does.truncated(does.cut_message(does.one(1), 9)),
    "garbage": does.garbage(),
    "less than a header": does.short(),
    "referral": does.referral(),
    "NODATA without SOA": does.absent_without_soa(dnsmsg.NOERROR),
    "SOA of another zone": does.absent_with_soa_of("elsewhere.net"),
    "SOA of a sibling": does.absent_with_soa_of("y.x.example"),
    "records of another name": does.other_owner(GOOD),
    "another question": does.wrong_question(does.one("good")),
    "another type of question": does.wrong_type(does.nodata()),
    "another id": does.wrong_id(does.one("good")),
    "another id, NXDOMAIN": does.wrong_id(does.nxdomain()),
    "A records": does.a_records(),
    "DNAME without its CNAME": does.dname_alone(dnsmsg.NOERROR),
    "DNAME without its CNAME, NXDOMAIN": does.dname_alone(dnsmsg.NXDOMAIN),
    "CNAME loop": does.cname_loop(),
    "CNAME chain of 40": does.cname_chain(40, GOOD),
    "CNAME to nothing": does.cname_chain(2, ()),
    "SRV without a name": does.cut_rdata(HEAD),
    "SRV of 5 bytes": does.cut_rdata(HEAD[:5]),
    "SRV of 0 bytes": does.cut_rdata(b""),
    "SRV with a cut name": does.cut_rdata(HEAD + WIRE[:-3]),
    "compression loop": does.compression_loop(),
    "message cut in the record": does.cut_message(does.one("good"), 12),
    "message cut in the SOA": does.cut_message(does.nxdomain(), 4),
}

# Certain absence.
ABSENT = {
    "NXDOMAIN": does.nxdomain(),
    "NODATA": does.nodata(),
    "NXDOMAIN by TCP": does.truncated(does.nxdomain()),
    "the root": does.srv((0, 0, 0, ".")),
    "the root with a port": does.srv((0, 0, 25, ".")),
    "port 0": does.srv((0, 0, 0, onion(1))),
    "a clearnet name": does.srv((0, 0, 25, "mail.example.org")),
    "version 2": does.srv((0, 0, 25, "abcdefghij234567.onion")),
    "mistyped": does.srv((0, 0, 25, mistyped(1))),
    "onion in the middle": does.srv((0, 0, 25, onion(1) + ".example.org")),
}

ROUTES = {
    "plain": (does.srv(*GOOD), [(onion("good"), 25)]),
    "by TCP": (does.truncated(does.srv(*GOOD)), [(onion("good"), 25)]),
    "late": (does.delay(0.3, does.srv(*GOOD)), [(onion("good"), 25)]),
    "upper case": (
        does.srv((1, 1, 25, onion("good").upper())),
        [(onion("good"), 25)],
    ),
    "a subdomain": (
        does.srv((1, 1, 25, "mail." + onion("good"))),
        [("mail." + onion("good"), 25)],
    ),
    "CNAME chain": (does.cname_chain(3, GOOD), [(onion("good"), 25)]),
    "compressed": (
        does.compressed(["a", "b", "c"]),
        [(onion("a"), 25), (onion("b"), 25), (onion("c"), 25)],
    ),
    "one good among bad": (
        does.srv(
            (0, 0, 25, mistyped(1)),
            (0, 0, 0, onion(2)),
            (1, 0, 2525, onion("good")),
            (0, 0, 25, "mail.example.org"),
            (0, 0, 25, "."),
        ),
        [(onion("good"), 2525)],
    ),
    "highest port": (
        does.srv((65535, 65535, 65535, onion("good"))),
        [(onion("good"), 65535)],
    ),
}


@pytest.fixture
def dns(lab):
    return lab.dns()


def start(lab, dns, **settings):
    return lab.daemon(dns=dns, dns_timeout_ms=150, dns_tries=2, **settings)


def ask(daemon, domain="x.example"):
    return daemon.ask("tcp_table", "user@" + domain)


@pytest.mark.parametrize("case", UNCERTAIN)
def test_uncertain_is_temp(lab, dns, case):
    dns.on("x.example", UNCERTAIN[case])
    daemon = start(lab, dns, failure_ttl=0)
    answer = ask(daemon)
    assert answer.outcome == TEMP and answer.value
    # As soon as DNS is well, so are we.
    dns.on("x.example", does.one("good"))
    assert ask(daemon).hosts() == [onion("good")]
    assert daemon.counter("dns_failures") == 1


def test_a_failure_is_remembered_for_a_while(lab, dns):
    dns.on("x.example", does.servfail())
    daemon = start(lab, dns, failure_ttl=1)
    assert ask(daemon).outcome == TEMP
    queries = len(dns.seen)
    dns.on("x.example", does.one("good"))
    assert ask(daemon).outcome == TEMP
    assert len(dns.seen) == queries
    assert daemon.counter("failures_remembered") == 1
    wait_until(lambda: ask(daemon).outcome == ROUTE, "the end of the memory")


@pytest.mark.parametrize("case", ABSENT)
def test_absent_is_none(lab, dns, case):
    dns.on("x.example", ABSENT[case])
    daemon = start(lab, dns)
    assert ask(daemon).outcome == NONE
    queries = len(dns.seen)
    assert ask(daemon).outcome == NONE
    assert len(dns.seen) == queries


@pytest.mark.parametrize("case", ROUTES)
def test_route(lab, dns, case):
    behaviour, targets = ROUTES[case]
    dns.on("x.example", behaviour)
    daemon = lab.daemon(dns=dns)
    answer = ask(daemon)
    assert answer.outcome == ROUTE and answer.targets() == targets


def test_duplicates_are_removed(lab, dns):
    twice = ((2, 0, 25, onion("a")), (1, 0, 25, onion("a").upper()), (3, 0, 26, onion("a")))
    dns.on("x.example", does.srv(*twice))
    daemon = start(lab, dns)
    assert ask(daemon).targets() == [(onion("a"), 25), (onion("a"), 26)]


def test_dropped_targets_are_counted(lab, dns):
    dns.on("x.example", ROUTES["one good among bad"][0])
    daemon = start(lab, dns)
    ask(daemon)
    assert daemon.counter("srv_targets_dropped") == 4


def test_tcp_refused(lab):
    dns = lab.dns(tcp=False)
    dns.on("x.example", does.always_truncated())
    assert ask(start(lab, dns)).outcome == TEMP


def test_many_records(lab, dns):
    """16 are kept, the most preferred ones. c-ares 1.34 takes no more than 790."""
    dns.on("x.example", does.truncated(does.many(700, range(20), 1001)))
    daemon = start(lab, dns)
    assert [port for _, port in ask(daemon).targets()] == list(range(1700, 1684, -1))
    assert daemon.counter("srv_records_dropped") == 700 - 16
    assert daemon.counter("dns_tcp_queries") == 1


def test_bytes_after_a_name(lab, dns):
    """c-ares 1.34 leaves them out before we see the answer; 1.18 doesn't."""
    dns.on("x.example", does.cut_rdata(HEAD + WIRE + b"x"))
    answer = ask(start(lab, dns))
    assert answer.outcome == TEMP or answer.targets() == [(onion("good"), 25)]


def test_second_resolver_is_asked(lab, dns):
    dns.on("x.example", does.one("good"))
    dead = f"{LOOPBACK}:{free_port()}"
    daemon = lab.daemon(resolvers=[dead, dns.address], dns_timeout_ms=200)
    assert ask(daemon).hosts() == [onion("good")]


def test_wrong_answers_before_the_right_one(lab, dns):
    """An answer with another id or to another question doesn't end the wait."""
    wrong, right = does.wrong_id(does.nxdomain()), does.delay(0.05, does.one("good"))
    dns.on("x.example", lambda q: wrong(q) + right(q))
    daemon = lab.daemon(dns=dns)
    assert ask(daemon).hosts() == [onion("good")]
