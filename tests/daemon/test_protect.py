"""protect_authenticated: no unvalidated route where clearnet is authenticated."""

import pytest

from harness.clients import NONE, ROUTE, TEMP
from harness.nsd import sign, write_zone
from harness.onion import onion
from harness.proc import wait_until
from harness.unbound import DEAD_ZONE, srv

STS = 'TXT "v=STSv1; id=20261122;"\n'
OTHER_TEXT = 'TXT "v=spf1 -all"\n'
TLSA = f"TLSA 3 1 1 {'5a' * 32}\n"

# What mail servers have, in hosts.example. The DNS of some fails.
HOSTS = f"""\
_25._tcp.dane {TLSA}\
_25._tcp.alias CNAME _25._tcp.dane
_465._tcp.submission {TLSA}\
_25._tcp.text {OTHER_TEXT}\
_25._tcp.fails CNAME tlsa.{DEAD_ZONE}.
policy {STS}\
"""


def mx(domain, *hosts):
    """Each more preferred than the next one."""
    return "".join(
        f"{domain} MX {10 * i} {host}.hosts.example.\n" for i, host in enumerate(hosts)
    )


def many(domain, hosts):
    return mx(domain, *[f"mx{i}" for i in range(hosts - 1)], "dane")


# The records of a domain beside its SRV, and what becomes of it.
DOMAINS = {
    "sts": (f"_mta-sts.sts {STS}", NONE),
    "sts-alias": ("_mta-sts.sts-alias CNAME policy.hosts.example.\n", NONE),
    "sts-of-two": (f"_mta-sts.sts-of-two {OTHER_TEXT}_mta-sts.sts-of-two {STS}", NONE),
    "sts-and-mx": (f"_mta-sts.sts-and-mx {STS}" + mx("sts-and-mx", "plain"), NONE),
    "dane": (mx("dane", "dane"), NONE),
    "dane-second": (mx("dane-second", "plain", "dane"), NONE),
    "dane-16th": (many("dane-16th", 16), NONE),
    "dane-alias": (mx("dane-alias", "alias"), NONE),
    "dane-own": (f"_25._tcp.dane-own {TLSA}", NONE),
    "mx-alias": ("mx-alias CNAME dane\n", NONE),
    "alone": ("", ROUTE),
    "plain": (mx("plain", "plain", "plain2"), ROUTE),
    "other-text": (f"_mta-sts.other-text {OTHER_TEXT}", ROUTE),
    "text-of-domain": (f"text-of-domain {STS}", ROUTE),
    "other-port": (mx("other-port", "submission"), ROUTE),
    "other-type": (mx("other-type", "text"), ROUTE),
    "null-mx": (f"null-mx MX 0 .\n_25._tcp.null-mx {TLSA}", ROUTE),
    "sts-fails": (f"_mta-sts.sts-fails CNAME x.{DEAD_ZONE}.\n", TEMP),
    "mx-fails": (f"mx-fails CNAME x.{DEAD_ZONE}.\n", TEMP),
    "tlsa-fails": (mx("tlsa-fails", "plain", "fails"), TEMP),
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
    signed = sign(write_zone(lab.dir, "signed.example", records))
    zones = [
        signed,
        write_zone(lab.dir, "unsigned.example", records),
        write_zone(lab.dir, "hosts.example", HOSTS),
    ]
    return lab.validating(zones, [signed])


def ask(daemon, domain):
    return daemon.ask("tcp_table", "user@" + domain)


@pytest.mark.parametrize("dnssec", ["off", "prefer"])
def test_outcomes(lab, world, dnssec):
    """A signed zone is trusted if the resolver is asked whether it has validated it.
    Asked a second time, it is told from the cache."""
    daemon = lab.daemon(dns=world, dnssec=dnssec, protect_authenticated="yes")
    zones = ["unsigned.example"] + ["signed.example"] * (dnssec == "off")
    refused = 0
    for zone in zones:
        for name, (_, outcome) in DOMAINS.items():
            for _ in range(2):
                answer = ask(daemon, f"{name}.{zone}")
                assert answer.outcome == outcome, (name, zone)
                assert outcome != ROUTE or answer.hosts() == [onion(name)]
                refused += outcome == NONE
    assert daemon.counter("protected_refused") == refused


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


def test_how_much_is_asked(lab, world):
    """SRV, TXT and MX, and TLSA for each host; never again while it is remembered."""
    daemon = lab.daemon(dns=world, protect_authenticated="yes")
    for _ in range(2):
        assert ask(daemon, "dane-16th.unsigned.example").outcome == NONE
        assert daemon.counter("dns_queries") == 3 + 16


def test_nobody_knows(lab, world):
    """What can't be found out today may be tomorrow."""
    world.kill()
    daemon = lab.daemon(dns=world, protect_authenticated="yes", failure_ttl=0)
    assert ask(daemon, "plain.unsigned.example").outcome == TEMP
    world.start()
    wait_until(
        lambda: ask(daemon, "plain.unsigned.example").outcome == ROUTE, "the route"
    )
