"""follow_mx: the map's entries for mail hosts."""

import re

import pytest

from harness.clients import NONE, ROUTE, TEMP
from harness.nsd import alias, forge, sign, write_zone
from harness.onion import onion
from harness.proc import wait_until
from harness.unbound import DEAD_ZONE, srv

MAP = f"""\
mx:mx.provider.example {onion("provider")}:2525, {onion("second")}
mx:.cluster.example {onion("cluster")}
mx:a.equal.example {onion("a")}
mx:c.equal.example {onion("c")}
mx:refused.example -
mx:strict.example {onion("strict")} dnssec=require
mx:alone.signed.example {onion("alone")}
mx:alone.unsigned.example {onion("alone")}
mx:null.signed.example {onion("null")}
mx:null.unsigned.example {onion("null")}
mx:clearnet.example {onion("unused")}
pinned.unsigned.example {onion("pinned")}
.never.unsigned.example -
open.never.unsigned.example srv
strict.unsigned.example srv dnssec=require
strict.signed.example srv dnssec=require
"""

PROVIDER = [(onion("provider"), 2525), (onion("second"), 25)]


def only(seed):
    return [(onion(seed), 25)]


def mx(domain, *records):
    return "".join(f"{domain} MX {pref} {host}.\n" for pref, host in records)


RECORDS = (
    "".join(mx(f"hosted{i}", (10, "mx.provider.example")) for i in range(3))
    + mx("upper", (10, "MX.Provider.EXAMPLE"))
    + mx("backup", (10, "mx.provider.example"), (20, "a.equal.example"))
    + mx("only-backup", (10, "elsewhere.example.net"), (20, "mx.provider.example"))
    + mx("cluster", (10, "mx7.cluster.example"))
    + mx("equal", *((5, f"{x}.equal.example") for x in "dcba"))
    + mx("refused", (10, "refused.example"))
    + mx("both", (10, "refused.example"), (10, "strict.example"))
    + mx("elsewhere", (10, "mx.elsewhere.net"))
    + mx("strictly", (10, "strict.example"))
    + mx("null", (0, ""))
    + mx("srv-first", (10, "mx.provider.example"))
    + srv("srv-first", (10, 10, 25, onion("srv")))
    + mx("clearnet", (10, "mx.provider.example"))
    + srv("clearnet", (10, 10, 25, "mail.example.net"))
    + mx("pinned", (10, "mx.provider.example"))
    + mx("a.never", (10, "mx.provider.example"))
    + mx("open.never", (10, "mx.provider.example"))
    + mx("strict", (10, "mx.provider.example"))
    + mx("srv-fails", (10, "mx.provider.example"))
    + alias("srv-fails", f"x.{DEAD_ZONE}")
    + "alone A 127.0.0.1\n"
    + "bare A 127.0.0.1\n"
    + "alias CNAME hosted1\n"
    + "across CNAME hosted1.unsigned.example.\n"
    + "twice CNAME alias\n"
    + f"fails CNAME x.{DEAD_ZONE}.\n"
)

# In either zone: the targets, or an outcome.
OUTCOMES = {
    "hosted0": PROVIDER,
    "hosted1": PROVIDER,
    "hosted2": PROVIDER,
    "upper": PROVIDER,
    "backup": PROVIDER,
    "only-backup": NONE,
    "cluster": only("cluster"),
    "equal": only("a"),
    "refused": NONE,
    "both": NONE,
    "elsewhere": NONE,
    "null": NONE,
    "srv-first": only("srv"),
    "clearnet": PROVIDER,
    "srv-fails": TEMP,
    "alone": only("alone"),
    "bare": NONE,
    "absent": NONE,
    "alias": PROVIDER,
    "across": PROVIDER,
    "twice": PROVIDER,
    "fails": TEMP,
}


@pytest.fixture
def world(lab):
    signed = sign(write_zone(lab.dir, "signed.example", RECORDS))
    forged = write_zone(lab.dir, "bogus.example", mx("forged", (10, "mx.elsewhere.net")))
    forged = sign(forged)
    instead = "forged.bogus.example. 300 IN MX 10 mx.provider.example.\n"
    forge(forged, "forged.bogus.example", "MX", instead=instead)
    unsigned = write_zone(lab.dir, "unsigned.example", RECORDS)
    return lab.validating([signed, forged, unsigned], [signed, forged])


def ask(daemon, domain):
    answer = daemon.ask("tcp_table", "user@" + domain)
    return answer.targets() if answer.outcome == ROUTE else answer.outcome


@pytest.mark.parametrize("dnssec", ["off", "prefer", "require"])
def test_outcomes(lab, world, dnssec):
    """Unvalidated MX records route nothing if DNSSEC is required."""
    daemon = lab.daemon(dns=world, map=MAP, follow_mx="yes", dnssec=dnssec)
    routes = insecure = 0
    for zone in "signed.example", "unsigned.example":
        for name, wanted in OUTCOMES.items():
            secure = zone == "signed.example" and name != "across"
            routed = wanted not in (NONE, TEMP)
            if dnssec == "require" and routed and not secure:
                wanted = TEMP
                insecure += 1
            elif routed and name != "srv-first":
                routes += 1
            assert ask(daemon, f"{name}.{zone}") == wanted, (name, zone)
    counters = daemon.counters()
    assert counters["mx_routes"] == routes
    assert counters["insecure_refused"] == insecure


def test_without_follow_mx(lab, world):
    daemon = lab.daemon(dns=world, map=MAP)
    for name, outcome in {
        "hosted0": NONE,
        "alias": NONE,
        "fails": NONE,
        "alone": NONE,
        "srv-first": only("srv"),
        "pinned": only("pinned"),
    }.items():
        assert ask(daemon, f"{name}.unsigned.example") == outcome, name
    assert daemon.counter("mx_routes") == 0


@pytest.mark.parametrize("on_insecure", ["defer", "clearnet"])
@pytest.mark.parametrize("dnssec", ["off", "prefer", "require"])
def test_entries_that_require_dnssec(lab, world, dnssec, on_insecure):
    """That of the host, or that of the domain."""
    refused = {"defer": TEMP, "clearnet": NONE}[on_insecure]
    daemon = lab.daemon(
        dns=world, map=MAP, follow_mx="yes", dnssec=dnssec, on_insecure=on_insecure
    )
    unasked = dnssec == "off"
    for name, targets in ("strictly", only("strict")), ("strict", PROVIDER):
        wanted = refused if unasked else targets
        assert ask(daemon, f"{name}.signed.example") == wanted, name
        assert ask(daemon, f"{name}.unsigned.example") == refused, name
    assert daemon.counter("insecure_refused") == (4 if unasked else 2)


@pytest.mark.parametrize("on_insecure", ["defer", "clearnet"])
@pytest.mark.parametrize("dnssec", ["off", "prefer", "require"])
def test_forged_mx(lab, world, dnssec, on_insecure):
    daemon = lab.daemon(
        dns=world, map=MAP, follow_mx="yes", dnssec=dnssec, on_insecure=on_insecure
    )
    assert ask(daemon, "forged.bogus.example") == TEMP
    assert ask(daemon, "absent.bogus.example") == NONE


def test_domains_of_the_map_are_not_asked_for(lab, world):
    daemon = lab.daemon(dns=world, map=MAP, follow_mx="yes")
    assert ask(daemon, "pinned.unsigned.example") == only("pinned")
    assert ask(daemon, "a.never.unsigned.example") == NONE
    assert daemon.counter("dns_queries") == 0
    # An exception from a parent's entry is for DNS, and so for the MX.
    assert ask(daemon, "open.never.unsigned.example") == PROVIDER
    assert ask(daemon, "hosted0.unsigned.example") == PROVIDER
    assert daemon.counter("dns_queries") == 4
    assert world.asked("hosted0.unsigned.example")
    assert world.asked("open.never.unsigned.example")
    assert not world.asked("pinned.unsigned.example")
    assert not world.asked("a.never.unsigned.example")
    # Nor are the hosts.
    assert not world.asked("mx.provider.example")


def test_explain(lab, world):
    daemon = lab.daemon(dns=world, map=MAP, follow_mx="yes")
    explained = daemon.onionmap("explain", "hosted0.signed.example")
    for line in (
        "SRV of hosted0.signed.example: none",
        r"MX of hosted0.signed.example: [0-9.:]+ says, for \d+ s, validated",
        rf"map: mx:mx.provider.example  {onion('provider')}:2525, {onion('second')}",
        "outcome: ROUTE",
        f"target: {onion('provider')}:2525",
    ):
        assert re.search(f"^{line}$", explained, re.M), (line, explained)


def test_a_changed_map_counts_at_once(lab, world):
    """The MX is remembered, what the map says of the host isn't."""
    daemon = lab.daemon(dns=world, map=MAP, follow_mx="yes")
    assert ask(daemon, "hosted0.unsigned.example") == PROVIDER
    lab.map(f"mx:mx.provider.example {onion('new')}\n")
    wait_until(
        lambda: ask(daemon, "hosted0.unsigned.example") == only("new"), "the new map"
    )
    assert daemon.counter("dns_queries") == 2
