"""Why a domain's mail goes where it goes, as onionmap explains it."""

import re

import pytest

from harness import behaviours as does
from harness.clients import ROUTE, connect, read_all
from harness.daemon import listeners_in
from harness.onion import mistyped, onion
from harness.proc import SLACK, wait_until
from harness.state_line import cached
from harness.unbound import srv

A, B = onion("a"), onion("b")


@pytest.fixture
def dns(lab):
    dns = lab.dns()
    dns.on("x.example", does.one("x"))
    dns.on("absent.example", does.nxdomain())
    dns.on("fails.example", does.servfail())
    return dns


@pytest.fixture
def daemon(lab, dns):
    """By names only."""
    return lab.daemon(by_name(lab), dns=dns)


def by_name(lab):
    listeners = listeners_in(lab.dir)
    return {name: listeners[name] for name in ("tcp_table", "socketmap")}


def explain(daemon, key):
    return daemon.onionmap("explain", key).splitlines()


def steps(daemon, key):
    """What leads to the outcome, and the outcome."""
    lines = explain(daemon, key)
    end = [line.startswith("outcome: ") for line in lines].index(True)
    return lines[: end + 1]


def target_lines(*targets):
    return [f"target: {host}:{port}" for host, port in targets]


# Each step


MAP = f"""
mapped.example    {A}:2525, {B}
.wild.example     {B} on_failure=clearnet
never.example     -
dns.example       srv
mx:mail.example   {A}
"""


@pytest.mark.parametrize(
    "key, value, outcome, targets",
    [
        ("mapped.example", f"{A}:2525, {B}", "ROUTE", [(A, 2525), (B, 25)]),
        ("User@Mapped.Example.", f"{A}:2525, {B}", "ROUTE", [(A, 2525), (B, 25)]),
        ("a.b.wild.example", f"{B} on_failure=clearnet", "ROUTE", [(B, 25)]),
        ("never.example", "-", "NONE", []),
    ],
)
def test_the_map(lab, key, value, outcome, targets):
    daemon = lab.daemon(by_name(lab), map=MAP)
    found = {"a.b.wild.example": ".wild.example"}.get(key, key.split("@")[-1].lower())
    lines = explain(daemon, key)
    assert lines[:2] == [f"map: {found.rstrip('.')}  {value}", f"outcome: {outcome}"]
    assert lines[2 : 2 + len(targets)] == target_lines(*targets)


def test_the_map_leaves_it_to_dns(lab, dns):
    dns.on("dns.example", does.one("x"))
    lines = explain(lab.daemon(by_name(lab), dns=dns, map=MAP), "dns.example")
    assert lines[:2] == ["map: dns.example  srv", "SRV of dns.example: asking DNS"]
    assert f"target: {onion('x')}:25" in lines


def test_dns(lab, dns):
    """Live, and then from the cache: with its priorities, weights and ports."""
    records = [(20, 7, 25, B), (10, 5, 2525, A)]
    dns.on("two.example", does.srv(*records, ttl=200))
    daemon = lab.daemon(by_name(lab), dns=dns)
    live = explain(daemon, "two.example")
    end = ["outcome: ROUTE", *target_lines((A, 2525), (B, 25))]
    assert live[:3] == [
        "map: there is none",
        "SRV of two.example: asking DNS",
        f"SRV of two.example: {dns.address} says, for 200 s",
    ]
    assert sorted(live[3:5]) == [f"  10 5 2525 {A}", f"  20 7 25 {B}"]
    assert [line for line in live if line in end] == end
    kept = explain(daemon, "user@two.example")
    left = re.fullmatch(
        r"SRV of two.example: in the cache for another (\d+) s", kept[1]
    )
    assert 100 < int(left[1]) < 200
    assert kept[2:5] == end
    assert dns.count("two.example") == 1


@pytest.mark.parametrize("behaviour", [does.nxdomain(), does.nodata()])
def test_absence(lab, dns, behaviour):
    dns.on("x.example", behaviour)
    daemon = lab.daemon(by_name(lab), dns=dns)
    live = steps(daemon, "x.example")
    assert f"SRV of x.example: {dns.address} says, for 300 s" in live
    assert live[-2:] == ["SRV of x.example: none", "outcome: NONE"]
    assert steps(daemon, "x.example")[-2:] == live[-2:]


DROPPED = {
    mistyped(1): "wrong checksum: mistyped or made up",
    "abcdefghij234567.onion": "a version 2 onion name, which tor no longer supports",
    "abc.onion": "an onion name has 56 characters before .onion",
    "1" * 56 + ".onion": "an onion name has only the characters a-z and 2-7",
    "a" * 56 + ".onion": "not a version 3 onion name",
    "-hyphen." + A: "not a host name",
    "mail.example.org": "not a .onion name",
    ".": "the domain says that it has none",
}


def test_dropped_targets(lab, dns):
    """With their reasons when DNS has just said them; the cache knows how many."""
    targets = [(1, 0, 25, host) for host in DROPPED] + [(1, 0, 0, B)]
    dns.on("x.example", does.srv(*targets, (1, 0, 25, A)))
    daemon = lab.daemon(by_name(lab), dns=dns)
    live = explain(daemon, "x.example")
    found = [line for line in live if line.startswith("  dropped: ")]
    want = [f"  dropped: {host}: {why}" for host, why in DROPPED.items()]
    assert sorted(found) == sorted([*want, f"  dropped: {B}: port 0"])
    for lines in live, explain(daemon, "x.example"):
        assert f"SRV of x.example: {len(targets)} targets can't be used" in lines
        assert [line for line in lines if line.startswith("target: ")] == target_lines(
            (A, 25)
        )


def test_more_than_are_kept(lab, dns):
    """30 good targets with names as long as can be, and 30 bad ones."""
    long = f"{'a' * 63}.{'b' * 63}.{'c' * 56}."
    good = [(i, 0, 25, long + onion(i)) for i in range(30)]
    bad = [(i, 0, 25, long + mistyped(i)) for i in range(30)]
    dns.on("x.example", does.truncated(does.srv(*bad, *good)))
    daemon = lab.daemon(by_name(lab), dns=dns)
    lines = explain(daemon, "x.example")
    assert len([line for line in lines if line.startswith("  dropped: ")]) == 16
    assert "  14 more left out" in lines
    assert "SRV of x.example: 30 targets can't be used" in lines
    wanted = target_lines(*[(host, port) for _, _, port, host in good[:16]])
    assert [line for line in lines if line.startswith("target: ")] == wanted
    assert lines[-1].startswith("answer of ")


def test_names_that_mean_ill(lab, dns):
    """What DNS says doesn't get to the terminal as it is."""
    label = b"\n\x1b[31m \t\\\"\xff\0answer of"
    wire = bytes([len(label)]) + label + b"\3net\0"
    dns.on("x.example", does.srv((1, 0, 25, wire)))
    daemon = lab.daemon(by_name(lab), dns=dns)
    with connect(daemon.settings["control"]) as s:
        s.sendall(b"explain x.example\n")
        text = read_all(s)
    assert set(text) <= set(range(32, 127)) | {10}
    assert len([line for line in text.splitlines() if line.startswith(b"answer of")]) == 2
    assert b".net: not a .onion name\n" in text


FAILURES = [
    (does.servfail(), "DNS failed"),
    (does.cut_rdata(b""), "bad DNS answer"),
    (does.referral(), "DNS answer proves nothing"),
    (does.silence(), "DNS timed out"),
]


@pytest.mark.parametrize("behaviour, reason", FAILURES)
def test_dns_fails(lab, dns, behaviour, reason):
    """It is asked, and then it isn't for a while."""
    dns.on("x.example", behaviour)
    daemon = lab.daemon(by_name(lab), dns=dns, dns_timeout_ms=100, dns_tries=1)
    asking = "SRV of x.example: asking DNS"
    live = steps(daemon, "x.example")
    assert asking in live
    assert live[-2:] == [f"SRV of x.example: {reason}", f"outcome: TEMP, {reason}"]
    kept = steps(daemon, "x.example")
    assert asking not in kept and kept[-2:] == live[-2:]


def test_no_resolver(lab):
    """At once, when that is known."""
    daemon = lab.daemon(by_name(lab), dns_timeout_ms=100, dns_tries=1, failure_ttl=0)
    reason = "no resolver answers"

    def known():
        lines = steps(daemon, "x.example")
        return "SRV of x.example: asking DNS" not in lines and lines

    lines = wait_until(known, "its being known")
    assert lines[-2:] == [f"SRV of x.example: {reason}", f"outcome: TEMP, {reason}"]


def test_an_expired_route(lab, dns):
    state = lab.dir / "state"
    state.mkdir()
    (state / "cache").write_bytes(cached("fails.example", (1, 0, 25, A), left=-50))
    daemon = lab.daemon(by_name(lab), dns=dns, state_dir=str(state))
    for asked in (True, False):
        lines = steps(daemon, "fails.example")
        assert ("SRV of fails.example: asking DNS" in lines) == asked
        assert lines[-3] == "SRV of fails.example: DNS failed"
        expired = r"SRV of fails.example: expired (\d+) s ago, but still of use"
        assert 50 <= int(re.fullmatch(expired, lines[-2])[1]) < 50 + 60 * SLACK
        assert lines[-1] == "outcome: ROUTE"


def test_no_answer_in_time(lab, dns):
    dns.on("x.example", does.silence())
    daemon = lab.daemon(dns=dns)
    lines = explain(daemon, "x.example")
    assert "outcome: TEMP, no answer before the deadline" in lines
    assert answers(lines)["readsocket"] == b"TEMP no answer before the deadline"


def test_onions(daemon):
    for key in (A, "user@" + A.upper()):
        assert explain(daemon, key)[:3] == [
            f"{A} is its own target",
            "outcome: ROUTE",
            f"target: {A}:25",
        ]
    assert explain(daemon, mistyped("x"))[:2] == [
        f"{mistyped('x')}: wrong checksum: mistyped or made up",
        "outcome: FAIL, invalid onion name",
    ]


@pytest.mark.parametrize("key", ["", "*", "user@", "user@[::1]", "a..example", "a b"])
def test_no_domain(daemon, key):
    assert steps(daemon, key) == ["the key names no domain", "outcome: NONE"]


@pytest.mark.parametrize("key", ["localhost", "user@sub.localhost", "plainhost"])
def test_no_name_for_dns(daemon, dns, key):
    name = key.split("@")[-1]
    assert f"SRV of {name}: not a name for DNS" in steps(daemon, key)
    assert dns.seen == []


def test_mail_hosts(lab):
    """follow_mx: live, and from the cache."""
    mx = "hosted MX 5 mail\nhosted MX 10 other\n"
    unbound = lab.unbound(mx + srv("own", (1, 0, 25, B)))
    daemon = lab.daemon(by_name(lab), dns=unbound, map=MAP, follow_mx="yes")
    live = explain(daemon, "hosted.example")
    assert "MX of hosted.example: asking DNS" in live
    said = live.index(f"MX of hosted.example: {unbound.address} says, for 300 s")
    hosts = [line.split()[::3] for line in live[said + 1 : said + 3]]
    assert sorted(hosts) == [["10", "other.example"], ["5", "mail.example"]]
    for lines in live, explain(daemon, "hosted.example"):
        assert "SRV of hosted.example: none" in lines
        end = lines.index(f"map: mx:mail.example  {A}")
        assert lines[end + 1 : end + 3] == ["outcome: ROUTE", f"target: {A}:25"]
    assert any(
        re.fullmatch(r"MX of hosted.example: in the cache for another \d+ s", line)
        for line in lines
    )
    assert not any("MX" in line for line in explain(daemon, "own.example"))
    assert "map: no entry for mx:none.example" in explain(daemon, "none.example")


def test_pins(lab, dns):
    state = lab.dir / "state"
    state.mkdir()
    settings = {"state_dir": str(state), "pin_srv": "yes", "min_ttl": 0, "max_ttl": 0}
    daemon = lab.daemon(by_name(lab), dns=dns, pin_hold=1, **settings)
    said = lambda words: f"SRV of x.example: {words}" in explain(daemon, "x.example")
    assert said("pinned now, at its first use")
    assert said("as pinned")
    dns.on("x.example", does.one("b"))
    held = "another than the pinned one, which is used until the change counts"
    assert said(held)
    dns.on("x.example", does.one("x"))
    assert said("as pinned again")
    assert said("as pinned")
    dns.on("x.example", does.one("b"))
    wait_until(lambda: said("a change that counts from now on"), "the end of the hold")


# What the listeners would say


def answers(lines):
    """{listener: bytes}"""
    found = [re.fullmatch(r"answer of (\w+) \((\w+)\): (.*)", line) for line in lines]
    return {match[1]: match[3].encode() for match in found if match}


def real_answer(daemon, listener, key):
    client = daemon.client(listener)
    with connect(daemon.address(listener)) as s:
        s.sendall(client.request(key))
        if daemon.listeners[listener]["protocol"] == "readsocket":
            return read_all(s).rstrip(b"\n")
        return s.recv(4096).rstrip(b"\n")


KEYS = [
    "mapped.example",
    "user@x.example",
    "never.example",
    "absent.example",
    "fails.example",
    A,
    mistyped("x"),
    "*",
]


@pytest.mark.parametrize("with_tor", [True, False])
def test_answers_are_those_of_the_listeners(lab, dns, with_tor):
    tor = lab.tor() if with_tor else None
    text = f"mapped.example {A}:2525\nnever.example -\n"
    daemon = lab.daemon(dns=dns, tor=tor, map=text, failure_ttl=300)
    for key in KEYS:
        said = answers(explain(daemon, key))
        assert said.keys() == daemon.listeners.keys()
        for listener in daemon.listeners:
            assert said[listener] == real_answer(daemon, listener, key), (listener, key)


def test_addresses(lab):
    """Tor's, for each target."""
    tor = lab.tor()
    daemon = lab.daemon(tor=tor, map=f"a.example {A}:2525, {B}\n")
    a, b = tor.resolve(A), tor.resolve(B)
    lines = explain(daemon, "a.example")
    assert f"tor: {A} has the address {a}" in lines
    assert f"tor: {B} has the address {b}" in lines
    assert answers(lines)["readsocket"] == f"OK {a}::2525:{b}".encode()
    assert lines.count("outcome: ROUTE") == 1
    tor.kill()
    lines = explain(daemon, "a.example")
    assert "outcome: ROUTE" in lines
    assert f"tor: no address for {A}" in lines or f"tor: no address for {B}" in lines
    assert answers(lines)["readsocket"] == b"TEMP tor is down or failing"


def test_tor_is_not_asked_for_names(lab):
    """Without a listener that answers with addresses."""
    tor = lab.dns(prefix="")
    daemon = lab.daemon(by_name(lab), tor=tor, map=f"a.example {A}\n")
    assert answers(explain(daemon, "a.example")).keys() == daemon.listeners.keys()
    assert tor.seen == []


def test_nothing_is_kept(lab, dns):
    """Then each of the two lookups of an explanation asks DNS, and DNS may say something
    else."""
    tor = lab.tor()
    daemon = lab.daemon(dns=dns, tor=tor, min_ttl=0, max_ttl=0)
    lines = explain(daemon, "x.example")
    address = tor.resolve(onion("x"))
    assert answers(lines)["readsocket"] == f"OK {address}".encode()
    assert dns.count("x.example") == 2
