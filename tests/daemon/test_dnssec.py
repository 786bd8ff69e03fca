"""DNSSEC: what a validating resolver makes of signed, unsigned and forged zones, and
what becomes of it."""

import re
import subprocess

import pytest

from harness.clients import NONE, ROUTE, TEMP
from harness.daemon import ALONE, ONIONMXD
from harness.nsd import Zone, alias, delegation, forge, sign, write_zone
from harness.onion import onion
from harness.unbound import srv

# Each route's target has the full name of its domain for a seed.
SECURE = {
    "route.signed.example": "route.signed.example",
    "route.hashed.example": "route.hashed.example",
    "route.child.signed.example": "route.child.signed.example",
    "any.wild.signed.example": "wild.signed.example",
    "alias.signed.example": "route.signed.example",
    "across.signed.example": "route.hashed.example",
}
INSECURE = {
    "route.unsigned.example": "route.unsigned.example",
    "route.island.signed.example": "route.island.signed.example",
    "out.signed.example": "route.unsigned.example",
    "in.unsigned.example": "route.signed.example",
}
SECURE_ABSENCE = [
    "absent.signed.example",
    "nodata.signed.example",
    "clearnet.signed.example",
    "astray.signed.example",
    "absent.hashed.example",
    "nodata.hashed.example",
    "absent.child.signed.example",
]
INSECURE_ABSENCE = [
    "absent.unsigned.example",
    "nodata.unsigned.example",
    "absent.island.signed.example",
    "astray.unsigned.example",
]
FORGED = [
    "changed.bogus.example",
    "removed.bogus.example",
    "stripped.bogus.example",
    "changed.bogus3.example",
    "stripped.bogus3.example",
    "route.expired.example",
    "absent.expired.example",
    "route.stranger.example",
    "forged.signed.example",
    "forged.unsigned.example",
]
INSECURE_REASON = "route not validated by DNSSEC"


def routes(zone, *names):
    return "".join(srv(n, (10, 10, 25, onion(f"{n}.{zone}"))) for n in names)


NODATA = "_onion-mx._tcp.nodata A 127.0.0.1\n"


def make_signed(workdir):
    """With a child that is signed, and one that is proved not to be."""
    child = write_zone(workdir, name := "child.signed.example", routes(name, "route"))
    island = write_zone(workdir, name := "island.signed.example", routes(name, "route"))
    child = sign(child)
    records = (
        routes("signed.example", "route")
        + f"*.wild SRV 10 10 25 {onion('wild.signed.example')}.\n"
        + alias("alias", "route.signed.example")
        + alias("across", "route.hashed.example")
        + alias("out", "route.unsigned.example")
        + alias("astray", "absent.hashed.example")
        + alias("forged", "changed.bogus.example")
        + srv("clearnet", (10, 10, 25, "mail.example.net"))
        + NODATA
        + delegation("child")
        + delegation("island")
        + child.ds
    )
    return [child, island, sign(write_zone(workdir, "signed.example", records))]


def make_bogus(workdir, name, *options):
    records = routes(name, "changed", "removed", "stripped")
    zone = sign(write_zone(workdir, name, records), *options)
    owner = f"_onion-mx._tcp.{{}}.{name}".format
    forged = f"{owner('changed')}. 300 IN SRV 10 10 25 {onion('forger')}.\n"
    forge(zone, owner("changed"), "SRV", instead=forged)
    forge(zone, owner("stripped"), "RRSIG SRV")
    if not options:  # with NSEC3, nsd itself finds that something is missing
        forge(zone, owner("removed"), "SRV", "RRSIG SRV")
    return zone


def make_stranger(workdir):
    """Signed with another key than the one that is believed."""
    zone = write_zone(workdir, name := "stranger.example", routes(name, "route"))
    believed = sign(zone)
    return Zone(zone.name, sign(zone).file, believed.ds)


@pytest.fixture
def zones(lab):
    unsigned = (
        routes("unsigned.example", "route", "open")
        + alias("in", "route.signed.example")
        + alias("astray", "absent.signed.example")
        + alias("forged", "removed.bogus.example")
        + NODATA
    )
    expired = write_zone(lab.dir, name := "expired.example", routes(name, "route"))
    hashed = write_zone(lab.dir, name := "hashed.example", routes(name, "route") + NODATA)
    return [
        *make_signed(lab.dir),
        sign(hashed, "-n"),
        make_bogus(lab.dir, "bogus.example"),
        make_bogus(lab.dir, "bogus3.example", "-n"),
        sign(expired, "-i", "20200101", "-e", "20200201"),
        make_stranger(lab.dir),
        write_zone(lab.dir, "unsigned.example", unsigned),
    ]


@pytest.fixture
def world(lab, zones):
    """Their resolver. It believes the child because signed.example has its DS."""
    anchors = [z for z in zones if z.ds and not z.name.startswith("child.")]
    return lab.validating(zones, anchors)


def ask(daemon, domain):
    return daemon.ask("tcp_table", "user@" + domain)


@pytest.mark.parametrize("on_insecure", ["defer", "clearnet"])
@pytest.mark.parametrize("dnssec", ["off", "prefer", "require"])
def test_outcomes(lab, world, dnssec, on_insecure):
    daemon = lab.daemon(dns=world, dnssec=dnssec, on_insecure=on_insecure)
    for domain, target in SECURE.items():
        assert ask(daemon, domain).targets() == [(onion(target), 25)], domain
    for domain, target in INSECURE.items():
        answer = ask(daemon, domain)
        if dnssec != "require":
            assert answer.targets() == [(onion(target), 25)], domain
        elif on_insecure == "defer":
            assert answer == (TEMP, INSECURE_REASON), domain
        else:
            assert answer.outcome == NONE, domain
    for domain in SECURE_ABSENCE + INSECURE_ABSENCE:
        assert ask(daemon, domain).outcome == NONE, domain
    for domain in FORGED:
        assert ask(daemon, domain) == (TEMP, "DNS failed"), domain
    refused = len(INSECURE) if dnssec == "require" else 0
    assert daemon.counter("insecure_refused") == refused


def test_a_resolver_that_does_not_validate(lab, zones):
    """Forgeries are good enough for it, so it is for it to find them."""
    daemon = lab.daemon(dns=lab.validating(zones))
    assert ask(daemon, "changed.bogus.example").hosts() == [onion("forger")]
    assert ask(daemon, "removed.bogus.example").outcome == NONE
    for domain in FORGED:
        assert ask(daemon, domain).outcome in (ROUTE, NONE), domain


@pytest.mark.parametrize("dnssec", ["off", "prefer", "require"])
def test_explain_tells_what_is_validated(lab, world, dnssec):
    """As DNS says it, and then from the cache."""
    daemon = lab.daemon(dns=world, dnssec=dnssec)
    for domain in [*SECURE, *SECURE_ABSENCE]:
        for place in (f"{world.address} says, for", "in the cache for another"):
            line = rf"^SRV of {domain}: {place} \d+ s(, validated)?$"
            found = re.search(line, explained := daemon.onionmap("explain", domain), re.M)
            assert found, explained
            assert (found[1] is not None) == (dnssec != "off"), explained
    for domain in [*INSECURE, *INSECURE_ABSENCE, *FORGED]:
        assert ", validated" not in daemon.onionmap("explain", domain), domain
    explained = daemon.onionmap("explain", "route.unsigned.example")
    assert ("must be validated" in explained) == (dnssec == "require")


ENTRIES = f"""\
.signed.example srv dnssec=require
.unsigned.example srv dnssec=require
open.unsigned.example srv
changed.bogus.example srv dnssec=require
.own.example {onion("own")} dnssec=require
"""


@pytest.mark.parametrize("on_insecure", ["defer", "clearnet"])
@pytest.mark.parametrize("dnssec", ["off", "prefer", "require"])
def test_map_entries(lab, world, dnssec, on_insecure):
    """If nobody is asked about DNSSEC, nothing is validated."""
    refused = {"defer": TEMP, "clearnet": NONE}[on_insecure]
    daemon = lab.daemon(dns=world, dnssec=dnssec, on_insecure=on_insecure, map=ENTRIES)
    secure = refused if dnssec == "off" else ROUTE
    elsewhere = refused if dnssec == "require" else ROUTE
    for domain, outcome in {
        "route.signed.example": secure,
        "alias.signed.example": secure,
        "route.child.signed.example": secure,
        "route.island.signed.example": refused,
        "out.signed.example": refused,
        "route.unsigned.example": refused,
        "open.unsigned.example": elsewhere,
        "absent.signed.example": NONE,
        "absent.unsigned.example": NONE,
        "forged.signed.example": TEMP,
        "changed.bogus.example": TEMP,
        "a.own.example": ROUTE,
    }.items():
        assert ask(daemon, domain).outcome == outcome, domain
    assert not world.asked("own.example")


@pytest.mark.parametrize("dnssec, bit", [("off", 0), ("prefer", 0x20), ("require", 0x20)])
def test_ad_bit_of_the_questions(lab, world, dnssec, bit):
    """Checking is never disabled."""
    network = lab.lossy(world)
    daemon = lab.daemon(
        dns=network, dnssec=dnssec, follow_mx="yes", protect_authenticated="yes"
    )
    for domain in [*SECURE, *INSECURE, *SECURE_ABSENCE]:
        ask(daemon, domain)
    seen = network.seen()
    assert {s.flags for s in seen} == {0x0100 | bit}
    srv_type, mx, txt = 33, 15, 16
    asked = {s.qtype for s in seen}
    assert {srv_type, mx} <= asked
    assert (txt in asked) == (dnssec != "require")


def test_ad_bit_of_tors_question(lab):
    tor = lab.lossy(lab.tor())
    daemon = lab.daemon(tor=tor, dnssec="require")
    assert daemon.ask("readsocket", onion(1)).outcome == ROUTE
    assert {s.flags for s in tor.seen()} == {0x0100}


FAR = {
    "IPv4": '{"192.0.2.1"}',
    "IPv6": '{"[2001:db8::1]:53"}',
    "the second of two": '{"127.0.0.1", "192.0.2.1:53"}',
}


@pytest.mark.parametrize("case", FAR)
def test_require_wants_a_resolver_on_this_machine(lab, case):
    """Nothing is sent there: the configuration is only checked."""
    config = lab.dir / "conf"
    for dnssec, status in ("off", 0), ("prefer", 0), ("require", 1):
        config.write_text(f"dnssec = {dnssec}\nresolvers = {FAR[case]}\n{ALONE}")
        done = subprocess.run(
            [*ONIONMXD, "-t", "-c", config], capture_output=True, text=True
        )
        assert done.returncode == status, (dnssec, done)
    fault = rf"^{re.escape(str(config))}:2:1: dnssec = require needs resolvers on this"
    assert re.search(fault, done.stderr, re.M), done.stderr


@pytest.mark.parametrize("near", ["127.0.0.1", "127.1.2.3:53", "[::1]:53", "::1"])
def test_require_is_content_with_loopback(lab, near):
    config = lab.dir / "conf"
    config.write_text(f'dnssec = require\nresolvers = {{"{near}"}}\n{ALONE}')
    assert subprocess.run([*ONIONMXD, "-t", "-c", config]).returncode == 0
