"""protect_authenticated: no unvalidated route where clearnet is authenticated."""

import pytest

from harness import behaviours as does
from harness import dnsmsg
from harness.clients import NONE, ROUTE, TEMP
from harness.nsd import alias, sign, write_zone
from harness.onion import onion
from harness.proc import wait_until
from harness.unbound import DEAD_ZONE, srv

STS = 'TXT "v=STSv1; id=20261122;"\n'
OTHER_TEXT = 'TXT "v=spf1 -all"\n'
TLSA = f"TLSA 3 1 1 {'5a' * 32}\n"

# What mail servers have, in hosts.example, which is signed. The DNS of some fails.
HOSTS = f"""\
dane A 127.0.0.1
_25._tcp.dane {TLSA}\
_25._tcp.alias CNAME _25._tcp.dane
_465._tcp.submission {TLSA}\
_25._tcp.text {OTHER_TEXT}\
_25._tcp.fails CNAME tlsa.{DEAD_ZONE}.
plain A 127.0.0.1
policy {STS}\
"""

# And in open.example, which isn't.
OPEN_HOSTS = f"""\
dane A 127.0.0.1
_25._tcp.dane {TLSA}\
fails A 127.0.0.1
_25._tcp.fails CNAME tlsa.{DEAD_ZONE}.
"""


def mx(domain, *hosts, zone="hosts.example"):
    """Each more preferred than the next one."""
    return "".join(
        f"{domain} MX {10 * i} {host}.{zone}.\n" for i, host in enumerate(hosts)
    )


def many(domain, hosts):
    return mx(domain, *[f"mx{i}" for i in range(hosts - 1)], "dane")


# The records of a domain beside its SRV, and what becomes of it.
DANE = {
    "dane": (mx("dane", "dane"), NONE),
    "dane-second": (mx("dane-second", "plain", "dane"), NONE),
    "dane-16th": (many("dane-16th", 16), NONE),
    "dane-alias": (mx("dane-alias", "alias"), NONE),
    "mx-alias": ("mx-alias CNAME dane\n", NONE),
    "tlsa-fails": (mx("tlsa-fails", "plain", "fails"), TEMP),
}
DOMAINS = {
    **DANE,
    "sts": (f"_mta-sts.sts {STS}", NONE),
    "sts-alias": ("_mta-sts.sts-alias CNAME policy.hosts.example.\n", NONE),
    "sts-of-two": (f"_mta-sts.sts-of-two {OTHER_TEXT}_mta-sts.sts-of-two {STS}", NONE),
    "sts-and-mx": (f"_mta-sts.sts-and-mx {STS}" + mx("sts-and-mx", "plain"), NONE),
    "alone": ("", ROUTE),
    "plain": (mx("plain", "plain", "plain2"), ROUTE),
    "plain-16": (mx("plain-16", *[f"mx{i}" for i in range(16)]), ROUTE),
    "open": (mx("open", "dane", "fails", zone="open.example"), ROUTE),
    "open-16": (mx("open-16", *[f"m{i}" for i in range(16)], zone="open.example"), ROUTE),
    "other-text": (f"_mta-sts.other-text {OTHER_TEXT}", ROUTE),
    "text-of-domain": (f"text-of-domain {STS}", ROUTE),
    "other-port": (mx("other-port", "submission"), ROUTE),
    "other-type": (mx("other-type", "text"), ROUTE),
    "null-mx": (f"null-mx MX 0 .\n_25._tcp.null-mx {TLSA}", ROUTE),
    "sts-fails": (f"_mta-sts.sts-fails CNAME x.{DEAD_ZONE}.\n", TEMP),
    "mx-fails": (f"mx-fails CNAME x.{DEAD_ZONE}.\n", TEMP),
    "address-fails": (mx("address-fails", "x", zone=DEAD_ZONE), TEMP),
}

# One thing is found, and another can't be known.
HALF_KNOWN = {
    "sts-mx-fails": f"_mta-sts.sts-mx-fails {STS}sts-mx-fails CNAME x.{DEAD_ZONE}.\n",
    "dane-sts-fails": f"_mta-sts.dane-sts-fails CNAME x.{DEAD_ZONE}.\n"
    + mx("dane-sts-fails", "dane"),
    "dane-tlsa-fails": mx("dane-tlsa-fails", "fails", "dane"),
}


@pytest.fixture
def world(lab):
    """All these domains in a signed zone and in one that isn't."""
    domains = {**HALF_KNOWN, **{name: more for name, (more, _) in DOMAINS.items()}}
    records = "".join(srv(name, (10, 10, 25, onion(name))) for name in domains)
    records += "".join(domains.values())
    own = alias("own", "plain.unsigned.example") + f"_25._tcp.own {TLSA}"
    signed = [
        sign(write_zone(lab.dir, "signed.example", records + own)),
        sign(write_zone(lab.dir, "hosts.example", HOSTS)),
    ]
    zones = [
        *signed,
        write_zone(lab.dir, "unsigned.example", records + f"_25._tcp.alone {TLSA}"),
        write_zone(lab.dir, "open.example", OPEN_HOSTS),
    ]
    return lab.validating(zones, signed)


def ask(daemon, domain):
    return daemon.ask("tcp_table", "user@" + domain)


@pytest.mark.parametrize("dnssec", ["off", "prefer"])
def test_outcomes(lab, world, dnssec):
    """A signed zone is trusted if the resolver is asked whether it has validated it, and
    so is DANE. Asked a second time, it is told from the cache."""
    daemon = lab.daemon(dns=world, dnssec=dnssec, protect_authenticated="yes")
    zones = ["unsigned.example"] + ["signed.example"] * (dnssec == "off")
    refused = 0
    for zone in zones:
        for name, (_, outcome) in DOMAINS.items():
            if dnssec == "off" and name in DANE:
                outcome = ROUTE
            for _ in range(2):
                answer = ask(daemon, f"{name}.{zone}")
                assert answer.outcome == outcome, (name, zone)
                assert outcome != ROUTE or answer.hosts() == [onion(name)]
                refused += outcome == NONE
    assert daemon.counter("protected_refused") == refused


def test_a_domain_that_is_its_own_mail_server(lab, world):
    """Its address is validated, and its SRV, which is elsewhere, isn't."""
    daemon = lab.daemon(dns=world, protect_authenticated="yes")
    assert ask(daemon, "own.signed.example").outcome == NONE


@pytest.mark.parametrize("name", HALF_KNOWN)
def test_what_is_found_is_enough(lab, world, name):
    """At the latest when what was found is in the cache."""
    daemon = lab.daemon(dns=world, protect_authenticated="yes")
    first = ask(daemon, f"{name}.unsigned.example")
    assert first.outcome in (NONE, TEMP)
    for _ in range(3):
        wait_until(
            lambda: ask(daemon, f"{name}.unsigned.example").outcome == NONE, "the end"
        )


def test_validated_routes_are_used(lab, world):
    """And nobody is asked about the rest."""
    daemon = lab.daemon(dns=world, dnssec="prefer", protect_authenticated="yes")
    for name in DOMAINS:
        assert ask(daemon, f"{name}.signed.example").hosts() == [onion(name)], name
    counters = daemon.counters()
    assert counters["dns_queries"] == len(DOMAINS)
    assert counters["protected_refused"] == 0


def test_unprotected_is_the_default(lab, world):
    daemon = lab.daemon(dns=world)
    for name in DOMAINS:
        assert ask(daemon, f"{name}.unsigned.example").hosts() == [onion(name)], name
    assert daemon.counter("dns_queries") == len(DOMAINS)


def test_explain(lab, world):
    daemon = lab.daemon(dns=world, protect_authenticated="yes")
    for domain, found in {
        "sts.unsigned.example": "TXT of sts.unsigned.example: there",
        "dane.unsigned.example": "TLSA of dane.hosts.example: there",
    }.items():
        explained = daemon.onionmap("explain", domain)
        assert found in explained
        assert "clearnet is authenticated, and this route isn't" in explained
        assert "outcome: NONE\n" in explained
    explained = daemon.onionmap("explain", "open.unsigned.example")
    assert "A of dane.open.example: not validated, so the host has no DANE\n" in explained
    assert "outcome: ROUTE\n" in explained


def test_how_much_is_asked(lab, world):
    """SRV, TXT and MX, the address of each host, and TLSA of each that is validated; never
    again while it is remembered."""
    for name, queries in ("plain-16", 3 + 16 + 16), ("open-16", 3 + 16):
        daemon = lab.daemon(dns=world, protect_authenticated="yes")
        for _ in range(2):
            assert ask(daemon, f"{name}.unsigned.example").outcome == ROUTE
            assert daemon.counter("dns_queries") == queries
        daemon.terminate()


def test_nobody_knows(lab, world):
    """What can't be found out today may be tomorrow."""
    world.kill()
    daemon = lab.daemon(dns=world, protect_authenticated="yes", failure_ttl=0)
    assert ask(daemon, "plain.unsigned.example").outcome == TEMP
    world.start()
    wait_until(
        lambda: ask(daemon, "plain.unsigned.example").outcome == ROUTE, "the route"
    )


# Hosts whose DNS the test makes.
FAILING = {
    "servfail": does.servfail(),
    "refused": does.rcode(dnsmsg.REFUSED),
    "notimp": does.rcode(dnsmsg.NOTIMP),
    "silence": does.silence(),
}
ADDRESS = does.one_record(dnsmsg.A, bytes([192, 0, 2, 1]))
ADDRESSES = {"address": ADDRESS, "nodata": does.nodata(), "nxdomain": does.nxdomain()}
THERE = does.one_record(dnsmsg.TLSA, b"\3\1\1" + bytes(32))


def ask_of_host(lab, address, tlsa):
    """The outcome for a domain with an MX host whose DNS says that, and the types of
    record that the host was asked for."""
    dns = lab.dns()
    dns.on("x.example", does.one("x"))
    dns.below("x.example", does.by_type({dnsmsg.MX: does.mx("mx.host.example")}))
    host = {dnsmsg.A: address, dnsmsg.TLSA: tlsa}
    dns.below("mx.host.example", does.by_type(host))
    daemon = lab.daemon(
        dns=dns, protect_authenticated="yes", dns_timeout_ms=150, dns_tries=2
    )
    outcome = ask(daemon, "x.example").outcome
    daemon.terminate()
    return outcome, {s.qtype for s in dns.seen if s.name.endswith("mx.host.example")}


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("case", FAILING)
def test_dns_that_fails_for_a_host_without_dnssec(lab, case, address):
    """RFC 7672 section 2.2.2: such a host has no DANE."""
    asked = ask_of_host(lab, ADDRESSES[address], FAILING[case])
    assert asked == (ROUTE, {dnsmsg.A})


def test_tlsa_of_a_host_without_dnssec(lab):
    assert ask_of_host(lab, ADDRESS, THERE) == (ROUTE, {dnsmsg.A})


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_host_with_dnssec(lab, address):
    address = does.validated(ADDRESSES[address])
    both = {dnsmsg.A, dnsmsg.TLSA}
    assert ask_of_host(lab, address, does.validated(THERE)) == (NONE, both)
    assert ask_of_host(lab, address, does.nodata()) == (ROUTE, both)


@pytest.mark.parametrize("case", FAILING)
def test_dns_that_fails_for_a_host_with_dnssec(lab, case):
    failing = FAILING[case]
    both = {dnsmsg.A, dnsmsg.TLSA}
    assert ask_of_host(lab, does.validated(ADDRESS), failing) == (TEMP, both)
    assert ask_of_host(lab, failing, THERE) == (TEMP, {dnsmsg.A})
