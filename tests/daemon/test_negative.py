"""Negative answers: which of them are believed, and for how long. Many resolvers leave
out the SOA record that would prove them (RFC 2308)."""

import re
import subprocess

import pytest

from harness import behaviours as does
from harness import dnsmsg
from harness.clients import NONE, ROUTE, TEMP
from harness.daemon import ALONE, ONIONMXD
from harness.load import Load
from harness.nsd import alias, delegation, write_zone
from harness.onion import onion
from harness.preload import Clock
from harness.proc import wait_until
from harness.unbound import srv

PREFIX = "_onion-mx._tcp."

BARE_NXDOMAIN = does.absent_without_soa(dnsmsg.NXDOMAIN)
BARE_NODATA = does.absent_without_soa(dnsmsg.NOERROR)

UNPROVEN = (TEMP, "DNS answer proves nothing")

SETTINGS = ["known", "any", "none"]


@pytest.fixture
def dns(lab):
    dns = lab.dns()
    dns.on("nxdomain.example", BARE_NXDOMAIN)
    dns.on("nodata.example", BARE_NODATA)
    dns.on("route.example", does.one("route"))
    return dns


def start(lab, dns, **settings):
    """What fails is asked for again by the next question."""
    return lab.daemon(**{"dns": dns, "failure_ttl": 0, **settings})


def ask(daemon, domain):
    return daemon.ask("tcp_table", "user@" + domain)


def kept(daemon, domain):
    """For how many seconds the absence of its SRV is still remembered; None: it isn't."""
    line = rf"^SRV of {domain}: in the cache for another (\d+) s$"
    found = re.search(line, explained := daemon.onionmap("explain", domain), re.M)
    assert not found or f"SRV of {domain}: none\n" in explained
    return int(found[1]) if found else None


def warnings(daemon):
    lines = daemon.output().splitlines()
    return [line for line in lines if "SOA record" in line]


def test_it_expires_while_the_machine_is_suspended(lab, dns):
    clock = Clock(lab.dir, Clock.SUSPENDED)
    dns.on("absent.example", does.nxdomain())
    daemon = start(lab, dns, prefix=clock.prefix, max_negative_ttl=1000)
    assert ask(daemon, "absent.example").outcome == NONE
    dns.on("absent.example", does.one("new"))
    assert ask(daemon, "absent.example").outcome == NONE
    clock.advance(1001)
    assert ask(daemon, "absent.example").hosts() == [onion("new")]


BELIEVED = (
    "resolver {} leaves the SOA record out of negative answers; they are believed, and "
    "kept for min_ttl only (see bare_negative)"
)
REFUSED = (
    "resolver {} leaves the SOA record out of negative answers; such an answer is no proof, "
    "and mail waits (see bare_negative)"
)


def warned(daemon, words, *servers):
    lines = [f"onionmxd: warning: {words.format(s.address)}" for s in servers]
    return warnings(daemon) == lines


# How long


@pytest.mark.parametrize("case", ["nxdomain", "nodata"])
def test_kept_for_min_ttl(lab, dns, case):
    """Whatever else is allowed."""
    daemon = start(lab, dns, bare_negative="any", min_ttl=90, max_negative_ttl=3600)
    domain = f"{case}.example"
    live = daemon.onionmap("explain", domain)
    assert re.search(rf"^SRV of {domain}: .* without an SOA record$", live, re.M), live
    assert 30 < kept(daemon, domain) <= 90
    assert ask(daemon, domain).outcome == NONE
    assert dns.count(domain) == 1


@pytest.mark.parametrize("case", ["nxdomain", "nodata"])
def test_asked_again_after_min_ttl(lab, dns, case):
    daemon = start(lab, dns, bare_negative="any", min_ttl=1)
    domain = f"{case}.example"
    for times in 2, 3:
        wait_until(
            lambda: ask(daemon, domain).outcome == NONE and dns.count(domain) >= times,
            "another question",
        )
    dns.on(domain, does.one("new"))
    wait_until(lambda: ask(daemon, domain).outcome == ROUTE, "the new route")


def test_not_kept_at_all(lab, dns):
    daemon = start(lab, dns, bare_negative="any", min_ttl=0)
    for i in range(1, 4):
        assert ask(daemon, "nxdomain.example").outcome == NONE
        assert dns.count("nxdomain.example") == i
    assert kept(daemon, "nxdomain.example") is None


# Which


@pytest.mark.parametrize("setting", SETTINGS)
def test_nxdomain(lab, dns, setting):
    """Believed from the first on: that doesn't depend on the type that was asked for."""
    daemon = start(lab, dns, bare_negative=setting)
    answer = ask(daemon, "nxdomain.example")
    if setting == "none":
        assert answer == UNPROVEN and warned(daemon, REFUSED, dns)
        assert ask(daemon, "route.example").outcome == ROUTE
        assert ask(daemon, "nxdomain.example") == UNPROVEN
    else:
        assert answer.outcome == NONE and warned(daemon, BELIEVED, dns)
    assert dns.count("nxdomain.example") == (2 if setting == "none" else 1)


TEACHERS = {
    "a record": does.one("teacher"),
    "an SOA": does.nodata(),
    "NXDOMAIN with an SOA": does.nxdomain(),
    "a record by TCP": does.truncated(does.one("teacher")),
    "a record of no use": does.srv((1, 0, 25, "mail.example.org")),
    "the root": does.srv((0, 0, 0, ".")),
    "a record behind a CNAME": does.cname_chain(2, [(1, 0, 25, onion("teacher"))]),
}
NO_TEACHERS = {
    "NODATA without SOA": BARE_NODATA,
    "NXDOMAIN without SOA": BARE_NXDOMAIN,
    "referral": does.referral(),
    "the SOA of another zone": does.absent_with_soa_of("elsewhere.net"),
    "SERVFAIL": does.servfail(),
    "REFUSED with an SOA": does.absent(dnsmsg.REFUSED),
    "NOTIMP": does.rcode(dnsmsg.NOTIMP),
    "an A record": does.a_records(),
    "garbage": does.garbage(),
    "a record that is cut off": does.cut_message(does.one("teacher"), 9),
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("case", TEACHERS)
def test_nodata_of_a_resolver_that_knows_the_type(lab, dns, case, setting):
    """It shows that by one answer, and then is believed also for names that failed."""
    dns.on("teacher.example", TEACHERS[case])
    daemon = start(lab, dns, bare_negative=setting)
    if setting != "any":
        for _ in range(2):
            assert ask(daemon, "nodata.example") == UNPROVEN
    assert ask(daemon, "teacher.example").outcome != TEMP
    answer = ask(daemon, "nodata.example")
    assert answer == UNPROVEN if setting == "none" else answer.outcome == NONE


@pytest.mark.parametrize("case", NO_TEACHERS)
def test_nodata_of_a_resolver_that_does_not(lab, dns, case):
    dns.on("teacher.example", NO_TEACHERS[case])
    daemon = start(lab, dns, dns_timeout_ms=500)
    for _ in range(3):
        ask(daemon, "teacher.example")
        assert ask(daemon, "nodata.example") == UNPROVEN
    assert kept(daemon, "nodata.example") is None


def test_nodata_behind_a_cname(lab, dns):
    """Bare: there is a CNAME, and where it leads to, nothing."""
    dns.on("alias.example", does.cname_chain(1, ()))
    daemon = start(lab, dns)
    assert ask(daemon, "alias.example") == UNPROVEN
    assert ask(daemon, "route.example").outcome == ROUTE
    assert ask(daemon, "alias.example").outcome == NONE


# What never proves anything, whatever the setting and the resolver.
UNCERTAIN = {
    "referral": does.referral(),
    "SOA of another zone": does.absent_with_soa_of("elsewhere.net"),
    "SOA of a zone below": does.absent_with_soa_of("x._onion-mx._tcp.x.example"),
    "A record": does.a_records(),
    "DNAME alone": does.dname_alone(dnsmsg.NOERROR),
    "DNAME alone, NXDOMAIN": does.dname_alone(dnsmsg.NXDOMAIN),
    "SERVFAIL": does.servfail(),
    "truncated, no TCP": does.truncated(does.close()),
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("case", UNCERTAIN)
def test_uncertain_by_every_setting(lab, dns, case, setting):
    dns.on("x.example", UNCERTAIN[case])
    daemon = start(lab, dns, bare_negative=setting)
    assert ask(daemon, "x.example").outcome == TEMP
    assert ask(daemon, "route.example").outcome == ROUTE
    answer = ask(daemon, "x.example")
    assert answer.outcome == TEMP
    if case == "referral":
        assert answer == UNPROVEN
    assert daemon.counted("bare_negatives") == 0 and not warnings(daemon)


def test_any_does_not_wait_for_a_record(lab, dns):
    daemon = start(lab, dns, bare_negative="any")
    assert ask(daemon, "nodata.example").outcome == NONE
    assert warned(daemon, BELIEVED, dns)


def test_known_is_the_default(lab, dns):
    daemon = start(lab, dns)
    assert ask(daemon, "nodata.example") == UNPROVEN
    assert ask(daemon, "nxdomain.example").outcome == NONE
    assert ask(daemon, "route.example").outcome == ROUTE
    assert ask(daemon, "nodata.example").outcome == NONE


# Each type


def typed(**by_type):
    """What a name says when asked for each type; for others, NODATA with an SOA."""
    return does.by_type({getattr(dnsmsg, t): b for t, b in by_type.items()})


def test_knowledge_of_mx(lab, dns):
    """To have answered for SRV says nothing of MX."""
    dns.on("x.example", does.nodata())
    dns.below("x.example", typed(MX=BARE_NODATA))
    dns.on("y.example", does.nodata())
    dns.below("y.example", typed(MX=does.mx("mx.provider.example")))
    map = f"mx:mx.provider.example {onion('provider')}\n"
    daemon = start(lab, dns, map=map, follow_mx="yes")
    assert ask(daemon, "x.example") == UNPROVEN
    assert ask(daemon, "y.example").hosts() == [onion("provider")]
    assert ask(daemon, "x.example").outcome == NONE


def test_knowledge_of_srv(lab, dns):
    """Nor the other way about."""
    dns.below("", typed(MX=does.mx("mx.provider.example")))
    dns.on("x.example", does.in_turn(BARE_NXDOMAIN, BARE_NODATA))
    map = f"mx:mx.provider.example {onion('provider')}\n"
    daemon = start(lab, dns, map=map, follow_mx="yes", min_ttl=1)
    assert ask(daemon, "x.example").hosts() == [onion("provider")]
    wait_until(lambda: ask(daemon, "x.example") == UNPROVEN, "the second answer")


def test_knowledge_of_txt(lab, dns):
    """protect_authenticated asks for MTA-STS. That there is none is as uncertain."""
    dns.on("x.example", does.one("x"))
    dns.below("_mta-sts.x.example", BARE_NODATA)
    dns.on("y.example", does.one("y"))
    dns.below("_mta-sts.y.example", does.nodata())
    dns.below("x.example", does.nodata())
    dns.below("y.example", does.nodata())
    daemon = start(lab, dns, protect_authenticated="yes")
    assert ask(daemon, "x.example") == UNPROVEN
    assert ask(daemon, "y.example").hosts() == [onion("y")]
    assert ask(daemon, "x.example").hosts() == [onion("x")]


# Each resolver


@pytest.fixture
def pair(lab):
    """The first fails for what would teach it, so only the second one knows SRV."""
    first, second = lab.dns(), lab.dns()
    for dns in first, second:
        dns.below("", BARE_NODATA)
        dns.on("nxdomain.example", BARE_NXDOMAIN)
    first.on("route.example", does.servfail())
    second.on("route.example", does.one("route"))
    return first, second


def test_each_resolver_for_itself(lab, pair):
    first, second = pair
    daemon = start(lab, None, resolvers=[s.address for s in pair])
    assert ask(daemon, "nodata.example") == UNPROVEN
    assert warned(daemon, REFUSED, first, second)
    assert ask(daemon, "route.example").outcome == ROUTE
    explained = daemon.onionmap("explain", "nodata.example")
    assert f"{second.address} says, for" in explained and "outcome: NONE" in explained


def test_the_first_resolver_learns(lab, pair):
    """Then the second isn't asked any more."""
    first, second = pair
    first.on("route.example", does.one("route"))
    daemon = start(lab, None, resolvers=[s.address for s in pair])
    assert ask(daemon, "route.example").outcome == ROUTE
    assert ask(daemon, "nodata.example").outcome == NONE
    assert not second.seen and warned(daemon, BELIEVED, first)


def test_the_other_resolver_knows(lab, pair):
    """Of what the first one says nothing is believed, though the second knows."""
    first, second = pair
    daemon = start(lab, None, resolvers=[s.address for s in pair])
    assert ask(daemon, "route.example").outcome == ROUTE
    second.below("", does.servfail())
    assert ask(daemon, "x.example").outcome == TEMP
    assert first.count("x.example") >= 1 and second.count("x.example") >= 1


# What is counted and said


def test_counted(lab, dns):
    daemon = start(lab, dns)
    for count, domain in enumerate(["nodata", "nodata", "nxdomain"], 1):
        ask(daemon, f"{domain}.example")
        assert daemon.counted("bare_negatives") == count
    ask(daemon, "nxdomain.example")  # from the cache
    ask(daemon, "route.example")
    dns.on("proved.example", does.nxdomain())
    ask(daemon, "proved.example")
    assert daemon.counted("bare_negatives") == 3


def test_warned_of_once(lab, pair):
    daemon = start(lab, None, resolvers=[s.address for s in pair])
    for i in range(20):
        ask(daemon, f"d{i}.example")
    assert warned(daemon, REFUSED, *pair)
    ask(daemon, "route.example")
    for i in range(20):
        ask(daemon, f"e{i}.example")
    assert daemon.counted("bare_negatives") >= 60
    assert warned(daemon, REFUSED, *pair)
    assert not re.search(r"\bd\d+\.example|route\.example", daemon.output())


def test_no_warning_for_what_is_proved(lab, dns):
    dns.below("", does.nxdomain())
    daemon = start(lab, dns)
    for i in range(5):
        assert ask(daemon, f"d{i}.example").outcome == NONE
    assert not warnings(daemon) and daemon.counted("bare_negatives") == 0


@pytest.mark.parametrize("text, good", [(s, True) for s in SETTINGS] + [
    ("", False), ("Known", False), ("yes", False), ("known ", False), ("all", False),
])
def test_values(lab, text, good):
    config = lab.dir / "conf"
    config.write_text(f'bare_negative = "{text}"\n{ALONE}')
    done = subprocess.run(
        [*ONIONMXD, "-t", "-c", config], capture_output=True, text=True
    )
    assert done.returncode == (0 if good else 1), done
    if not good:
        where = rf"{re.escape(str(config))}:1:17: "
        assert re.search(f"^{where}.*: known, any or none", done.stderr), done


# As dnsmasq up to 2.89 does it: the SOA is there when the answer is new, and left out when
# it comes from the cache.


@pytest.mark.parametrize(
    "first, later",
    [(does.nodata(ttl=1), BARE_NODATA), (does.nxdomain(ttl=1), BARE_NXDOMAIN)],
    ids=["NODATA", "NXDOMAIN"],
)
def test_the_soa_is_only_in_the_first_answer(lab, dns, first, later):
    dns.on("x.example", does.in_turn(first, later))
    daemon = start(lab, dns, min_ttl=1)
    with Load(daemon, ["tcp_table", "socketmap"], ["x.example"]) as load:
        wait_until(lambda: dns.count("x.example") >= 4, "several answers")
    assert {r.answer.outcome for r in load.records} == {NONE}


# Real servers


RECORDS = (
    srv("route", (1, 0, 25, onion("route")))
    + f"{PREFIX}nodata A 127.0.0.1\n"
    + alias("to-absent", "absent.z.example")
    + alias("to-nodata", "nodata.z.example")
    + delegation("child", "127.255.255.254")
)
REAL = {
    "route.z.example": ROUTE,
    "absent.z.example": NONE,
    "nodata.z.example": NONE,
    "to-absent.z.example": NONE,
    "to-nodata.z.example": NONE,
    "x.child.z.example": TEMP,  # a referral
    "elsewhere.example": TEMP,  # refused
}


@pytest.fixture
def nsd(lab):
    return lab.nsd([write_zone(lab.dir, "z.example", RECORDS)])


def outcomes(daemon, domains=REAL):
    return {domain: ask(daemon, domain).outcome for domain in domains}


@pytest.mark.parametrize("setting", SETTINGS)
def test_nsd(lab, nsd, setting):
    """Not meant to be asked by anybody but resolvers, and yet right."""
    daemon = start(lab, nsd, bare_negative=setting)
    assert outcomes(daemon) == REAL
    assert ask(daemon, "x.child.z.example") == UNPROVEN
    assert daemon.counted("bare_negatives") == 0


def test_nsd_absence_first(lab, nsd):
    daemon = start(lab, nsd, min_ttl=20)
    for domain in "nodata.z.example", "absent.z.example":
        assert ask(daemon, domain).outcome == NONE
        assert 200 < kept(daemon, domain) <= 300


@pytest.mark.parametrize("setting", SETTINGS)
def test_unbound(lab, setting):
    zone = write_zone(lab.dir, "z.example", RECORDS.replace(delegation("child"), ""))
    unbound = lab.validating([zone])
    for _ in range(2):
        daemon = start(lab, unbound, bare_negative=setting, dns_timeout_ms=500)
        assert outcomes(daemon) == REAL
        assert daemon.counted("bare_negatives") == 0
        daemon.terminate()


@pytest.mark.parametrize("setting", SETTINGS)
def test_dnsmasq(lab, nsd, setting):
    """The second daemon is told from dnsmasq's cache, for which a dnsmasq up to 2.89 would
    leave the SOA out: so it hears of a route first, and of the rest when nsd has gone."""
    dnsmasq = lab.dnsmasq(nsd)
    daemon = start(lab, dnsmasq, bare_negative=setting)
    assert outcomes(daemon) == REAL
    daemon.terminate()
    nsd.kill()
    daemon = start(lab, dnsmasq, bare_negative=setting, dns_timeout_ms=500)
    remembered = [domain for domain in REAL if REAL[domain] != TEMP]
    for domain, outcome in outcomes(daemon, remembered).items():
        assert outcome == REAL[domain] or (setting == "none" and outcome == TEMP), domain
        assert dnsmasq.count("forwarded", PREFIX + domain) == 1
        assert dnsmasq.count("cached", PREFIX + domain) >= 1
    assert ask(daemon, "new.z.example").outcome == TEMP


BLOCKED = "blocked.example"  # dnsmasq says NXDOMAIN of all below
LOCAL = "local.example"  # and of all but the host here


def test_dnsmasq_leaves_the_soa_out(lab, nsd):
    """In what comes from its own configuration every version does."""
    dnsmasq = lab.dnsmasq(
        nsd,
        f"address=/{BLOCKED}/",
        f"local=/{LOCAL}/",
        f"host-record={PREFIX}host.{LOCAL},127.0.0.1",
    )
    daemon = start(lab, dnsmasq)
    assert ask(daemon, f"host.{LOCAL}") == UNPROVEN
    assert ask(daemon, f"x.{LOCAL}").outcome == NONE
    assert ask(daemon, BLOCKED).outcome == NONE
    assert ask(daemon, f"host.{LOCAL}") == UNPROVEN
    assert ask(daemon, "route.z.example").outcome == ROUTE
    assert ask(daemon, f"host.{LOCAL}").outcome == NONE
    assert 20 < kept(daemon, f"host.{LOCAL}") <= 60
    assert daemon.counted("bare_negatives") == 5
    assert warned(daemon, REFUSED, dnsmasq)
