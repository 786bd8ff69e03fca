"""What a real resolver makes of delegations, CNAMEs and big answers, and several
resolvers of which one works."""

import time

import pytest

from harness import behaviours as does
from harness import dnsmsg
from harness.clients import NONE, ROUTE, TEMP
from harness.crowd import ask_all
from harness.nsd import alias, delegation, write_zone
from harness.onion import onion
from harness.proc import LOOPBACK, SLACK, free_port
from harness.unbound import srv


def one(name):
    return srv(name, (10, 10, 25, onion(name)))


def ask(daemon, domain):
    return daemon.ask("tcp_table", "user@" + domain)


# What the server does to which lame.parent.example is delegated.
LAME = {
    "refuses": does.rcode(dnsmsg.REFUSED),
    "fails": does.servfail(),
    "knows nothing": does.absent_without_soa(dnsmsg.NOERROR),
    "denies for the zone above": does.absent_with_soa_of("parent.example"),
    "denies for another zone": does.absent_with_soa_of("elsewhere.net"),
    "refers to others": does.referral(),
    "refuses the form": does.rcode(dnsmsg.FORMERR),
    "is silent": does.silence(),
    "talks garbage": does.garbage(),
}

NOWHERE = {
    "name that isn't there": "lame NS ns.nowhere\n",
    "name that nobody has": "lame NS ns.elsewhere.net.\n",
    "name without an address": "lame NS text\ntext TXT text\n",
    "name below itself": "lame NS ns.lame\n",
    "circle": "lame NS ns.circle\ncircle NS ns.lame\n",
}


def start(lab, lame, **settings):
    """A parent with a lame child, and other zones. The servers of a delegation listen
    on port 53."""
    parent = one("route") + alias("alias", "x.lame.parent.example") + lame
    other = alias("alias", "x.lame.parent.example")
    zones = [
        write_zone(lab.dir, "parent.example", parent),
        write_zone(lab.dir, "other.example", other),
    ]
    unbound = lab.validating(zones)
    return lab.daemon(dns=unbound, dns_timeout_ms=1000, dns_tries=1, **settings)


def lame_is_temp(daemon):
    for domain in (
        "lame.parent.example",
        "x.lame.parent.example",
        "alias.parent.example",
        "alias.other.example",
    ):
        answer = ask(daemon, domain)
        assert answer.outcome == TEMP and answer.value, domain
    assert ask(daemon, "route.parent.example").hosts() == [onion("route")]
    assert ask(daemon, "absent.parent.example").outcome == NONE


@pytest.mark.parametrize("case", LAME)
def test_lame_delegation(lab, case):
    server = lab.dns(port=53)
    server.below("lame.parent.example", LAME[case])
    lame_is_temp(start(lab, delegation("lame", LOOPBACK)))
    assert any(name.endswith("lame.parent.example") for name in server.names())


@pytest.mark.parametrize("case", NOWHERE)
def test_delegation_to_nowhere(lab, case):
    lame_is_temp(start(lab, NOWHERE[case]))


def chain(zones, length):
    """CNAMEs through the zones in turn: of c0 to c1, and so on. Text for each zone."""
    text = dict.fromkeys(zones, "")
    names = [f"c{i}.{zones[i % len(zones)]}" for i in range(length + 1)]
    for name, following in zip(names, names[1:]):
        label, zone = name.split(".", 1)
        text[zone] += alias(label, following)
    label, zone = names[-1].split(".", 1)
    text[zone] += one(label)
    return text, onion(label)


@pytest.mark.parametrize("length", [1, 2, 8, 9, 40])
def test_cname_chain_across_zones(lab, length):
    """Up to eight are followed."""
    names = ["a.example", "b.example", "c.example"]
    text, target = chain(names, length)
    zones = [write_zone(lab.dir, name, text[name]) for name in names]
    answer = ask(lab.daemon(dns=lab.validating(zones)), "c0.a.example")
    if length <= 8:
        assert answer.hosts() == [target]
    else:
        assert answer.outcome == TEMP


def test_cname_across_zones(lab):
    a = (
        alias("to-absent", "absent.b.example")
        + alias("to-nodata", "nodata.b.example")
        + alias("loop", "loop.b.example")
        + alias("outside", "example.org")
        + "moved DNAME b.example.\n"
        + alias("wild", "any.wild.b.example")
    )
    b = (
        one("route")
        + "_onion-mx._tcp.nodata A 127.0.0.1\n"
        + alias("loop", "loop.a.example")
        + f"*.wild SRV 10 10 25 {onion('wild')}.\n"
    )
    zones = [write_zone(lab.dir, f"{x}.example", y) for x, y in (("a", a), ("b", b))]
    daemon = lab.daemon(dns=lab.validating(zones))
    assert ask(daemon, "to-absent.a.example").outcome == NONE
    assert ask(daemon, "to-nodata.a.example").outcome == NONE
    assert ask(daemon, "loop.a.example").outcome == TEMP
    assert ask(daemon, "outside.a.example").outcome == TEMP
    assert ask(daemon, "route.moved.a.example").hosts() == [onion("route")]
    assert ask(daemon, "absent.moved.a.example").outcome == NONE
    assert ask(daemon, "wild.a.example").hosts() == [onion("wild")]


def test_hundreds_of_records(lab):
    """16 are kept, the most preferred ones that can be used. c-ares 1.34 takes fewer than
    800 in all."""
    usable = [(1000 - i, 0, 1001 + i, onion(i)) for i in range(450)]
    others = [(i % 50, 0, 25, f"mx{i}") for i in range(250)]
    zone = write_zone(lab.dir, "big.example", srv("many", *usable, *others))
    daemon = lab.daemon(dns=lab.validating([zone]))
    wanted = [(onion(i), 1001 + i) for i in reversed(range(434, 450))]
    for listener in "tcp_table", "socketmap":
        assert daemon.ask(listener, "many.big.example").targets() == wanted
    counters = daemon.counters()
    assert counters["srv_records_dropped"] == 450 - 16
    assert counters["srv_targets_dropped"] == 250
    assert counters["dns_queries"] == 1


# Several resolvers

COUNT = 30


@pytest.fixture
def good(lab):
    zone = write_zone(lab.dir, "z.example", "".join(one(f"d{i}") for i in range(COUNT)))
    return lab.validating([zone])


def bad_resolver(lab, kind):
    if kind == "dead":
        return f"{LOOPBACK}:{free_port()}"
    server = lab.dns()
    behaviour = {
        "silent": does.silence(),
        "refusing": does.rcode(dnsmsg.REFUSED),
        "failing": does.servfail(),
        "lame": does.absent_without_soa(dnsmsg.NOERROR),
        "garbled": does.garbage(),
    }
    server.below("", behaviour[kind])
    return server.address


BAD = ["dead", "silent", "refusing", "failing", "lame", "garbled"]


@pytest.mark.parametrize("kinds", [[kind] for kind in BAD] + [BAD], ids="-".join)
@pytest.mark.parametrize("place", ["first", "last"])
def test_one_resolver_works(lab, good, kinds, place):
    """Wherever it stands. One that doesn't answer is soon not waited for; on a slow
    machine, nor is one that does, now and then."""
    bad = [bad_resolver(lab, kind) for kind in kinds]
    resolvers = [good.address, *bad] if place == "first" else [*bad, good.address]
    daemon = lab.daemon(resolvers=resolvers, dns_timeout_ms=200, dns_tries=1)
    began = time.monotonic()
    for i in range(COUNT):
        assert ask(daemon, f"d{i}.z.example").hosts() == [onion(f"d{i}")]
    assert ask(daemon, "absent.z.example").outcome == NONE
    assert time.monotonic() - began < 8 * SLACK
    down = {"dead", "silent"} & set(kinds) if place == "last" else set()
    assert daemon.counter("dns_down") >= len(down)


def test_no_resolver_works(lab, good):
    good.kill()
    resolvers = [good.address, *(bad_resolver(lab, kind) for kind in BAD)]
    daemon = lab.daemon(
        resolvers=resolvers, dns_timeout_ms=100, dns_tries=2, failure_ttl=0
    )
    for i in range(3):
        assert ask(daemon, f"d{i}.z.example").outcome == TEMP
    good.start()
    assert ask(daemon, "d0.z.example").outcome == ROUTE


def test_silent_domains_are_not_a_silent_resolver(lab):
    """The servers of some domains don't answer, so the resolver doesn't answer for these
    in time. It does for the others, all the while, and their mail goes on."""
    silent = [f"silent{i}.parent.example" for i in range(8)]
    text = "".join(one(f"d{i}") for i in range(40))
    text += "".join(delegation(name.split(".")[0], LOOPBACK) for name in silent)
    lab.dns(port=53).below("parent.example", does.silence())
    unbound = lab.validating([write_zone(lab.dir, "parent.example", text)])
    daemon = lab.daemon(lab.listeners(deadline_ms=500), dns=unbound)
    answers = ask_all(daemon, silent, ["tcp_table"], alone=len(silent))
    assert {a.answer.outcome for a in answers} == {TEMP}
    for i in range(40):
        answer = ask(daemon, f"d{i}.parent.example")
        assert answer.outcome == ROUTE, (i, answer)
        time.sleep(0.1)
    assert daemon.counter("dns_down") == 0
