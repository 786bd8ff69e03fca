"""The cache of DNS answers outlives a restart."""

import os
import random
import signal
import stat
import time
from pathlib import Path

import pytest

from harness import behaviours as does
from harness.clients import NONE, ROUTE, TEMP, connect
from harness.nsd import sign, write_zone
from harness.onion import mistyped, onion
from harness.proc import wait_until
from harness.state_line import NAME, cached, fact, line, pin
from harness.unbound import srv

MB = 1024 * 1024


@pytest.fixture
def state(lab):
    state = lab.dir / "state"
    state.mkdir()
    return state


@pytest.fixture
def dns(lab):
    dns = lab.dns()
    dns.on("x.example", does.one("x"))
    dns.on("y.example", does.srv((1, 0, 25, onion("y1")), (2, 0, 2525, onion("y2"))))
    dns.on("absent.example", does.nxdomain())
    dns.on("nodata.example", does.nodata())
    return dns


DOMAINS = ("x.example", "y.example", "absent.example", "nodata.example")


def start(lab, state, dns, **settings):
    return lab.daemon(dns=dns, state_dir=str(state), **settings)


def ask(daemon, domain="x.example"):
    return daemon.ask("tcp_table", domain)


def saved(state, *domains):
    path = state / "cache"
    text = path.read_text() if path.exists() else ""
    return all(f" {NAME}{domain} " in text for domain in domains)


def warnings(daemon):
    lines = daemon.output().splitlines()
    return [text for text in lines if text.startswith("onionmxd: warning: ")]


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_a_restart(lab, state, dns, end):
    daemon = start(lab, state, dns, cache_save=1)
    before = [ask(daemon, domain) for domain in DOMAINS]
    assert [a.outcome for a in before] == [ROUTE, ROUTE, NONE, NONE]
    if end == "kill":
        wait_until(lambda: saved(state, *DOMAINS), "the file")
    getattr(daemon, end)()
    daemon.hang_up()
    dns.stop()
    daemon.start()
    assert [ask(daemon, domain) for domain in DOMAINS] == before
    assert daemon.counters()["dns_queries"] == 0
    assert f"info: restored {len(DOMAINS)} cache entries from {state}/cache" in daemon.output()
    assert warnings(daemon) == []


ZONE = (
    srv("sts", (1, 0, 25, onion("sts")))
    + '_mta-sts.sts TXT "v=STSv1; id=1"\n'
    + srv("dane", (1, 0, 25, onion("dane")))
    + "dane MX 1 mx.signed.example.\n"
    + srv("plain", (1, 0, 25, onion("plain")))
    + "hosted MX 1 mail\n"
)
HOSTS = f"mx A 127.0.0.1\n_25._tcp.mx TLSA 3 1 1 {'00' * 32}\n"


def test_every_type_of_record(lab, state):
    signed = sign(write_zone(lab.dir, "signed.example", HOSTS))
    zones = [signed, write_zone(lab.dir, "open.example", ZONE)]
    unbound = lab.validating(zones, [signed])
    text = f"mx:mail.open.example {onion('mail')}\n"
    options = {"protect_authenticated": "yes", "follow_mx": "yes", "map": text}
    daemon = start(lab, state, unbound, **options)
    domains = [name + ".open.example" for name in ("sts", "dane", "plain", "hosted")]
    before = [ask(daemon, domain) for domain in domains]
    assert [a.outcome for a in before] == [NONE, NONE, ROUTE, ROUTE]
    daemon.terminate()
    unbound.stop()
    kept = (state / "cache").read_text().splitlines()
    assert {text.split()[1] for text in kept} == {"A", "SRV", "MX", "TXT", "TLSA"}
    daemon.start()
    assert [ask(daemon, domain) for domain in domains] == before
    assert daemon.counters()["dns_queries"] == 0
    assert warnings(daemon) == []


def test_failures_are_not_kept(lab, state, dns):
    dns.on("x.example", does.servfail())
    daemon = start(lab, state, dns, failure_ttl=300)
    assert ask(daemon).outcome == TEMP
    daemon.terminate()
    dns.on("x.example", does.one("x"))
    daemon.start()
    assert ask(daemon).outcome == ROUTE


def test_what_goes_unused_for_longest_still_makes_room(lab, state, dns):
    for domain in "abcd":
        dns.on(domain + ".example", does.one(domain))
    daemon = start(lab, state, dns, cache_entries=3)
    for domain in "abca":
        ask(daemon, domain + ".example")
    daemon.terminate()
    daemon.start()
    for domain in "dacb":
        ask(daemon, domain + ".example")
    assert [dns.count(domain + ".example") for domain in "abcd"] == [1, 2, 1, 1]


OLD, NEW = [onion("old")], [onion("new")]

# What is left from before: its targets, for how long it is good; what DNS says now; and
# the answer: targets or an outcome.
LEFT = {
    "a route": (OLD, 100, does.one("new"), OLD),
    "an absence": ([], 100, does.one("new"), NONE),
    "an expired route": (OLD, -1, does.one("new"), NEW),
    "an expired route, now absent": (OLD, -1, does.nxdomain(), NONE),
    "an expired route, and DNS fails": (OLD, -1, does.servfail(), OLD),
    "a route beyond max_stale, and DNS fails": (OLD, -3601, does.servfail(), TEMP),
    "a route of long ago, and DNS fails": (OLD, -(10**9), does.servfail(), TEMP),
    "an expired absence": ([], -1, does.one("new"), NEW),
    "an expired absence, and DNS fails": ([], -1, does.servfail(), TEMP),
}


def hosts_or_outcome(answer):
    return answer.hosts() if answer.outcome == ROUTE else answer.outcome


@pytest.mark.parametrize("case", LEFT)
def test_what_is_left(lab, state, dns, case):
    hosts, left, behaviour, want = LEFT[case]
    targets = [(1, 0, 25, host) for host in hosts]
    (state / "cache").write_bytes(cached("x.example", *targets, left=left))
    dns.on("x.example", behaviour)
    daemon = start(lab, state, dns, max_stale=3600)
    assert hosts_or_outcome(ask(daemon)) == want
    assert bool(dns.count("x.example")) == (left < 0)
    assert warnings(daemon) == []


def test_an_expired_route_while_dns_fails(lab, state, dns):
    """The same, without lines of our own: it expires while the daemon is down, or soon
    after."""
    dns.on("x.example", does.one("x", ttl=1))
    daemon = start(lab, state, dns, min_ttl=0)
    assert ask(daemon).hosts() == [onion("x")]
    daemon.terminate()
    dns.on("x.example", does.servfail())
    daemon.start()

    def stale():
        assert ask(daemon).hosts() == [onion("x")]
        return daemon.counted("stale_answers")

    wait_until(stale, "the expiry")


def test_an_absence_that_expires_while_the_daemon_is_down(lab, state, dns):
    daemon = start(lab, state, dns, min_ttl=0, max_negative_ttl=1)
    assert ask(daemon, "absent.example").outcome == NONE
    daemon.terminate()
    expiry = int((state / "cache").read_text().split()[3])
    dns.on("absent.example", does.one("new"))
    wait_until(lambda: time.time() >= expiry, "the expiry")
    daemon.start()
    assert ask(daemon, "absent.example").hosts() == [onion("new")]


@pytest.mark.parametrize("when", [2**32, 2**63 - 1])
def test_a_clock_that_was_set_back(lab, state, dns, when):
    """It doesn't make a record live longer than its TTL."""
    old = (1, 0, 25, onion("old"))
    text = fact("cache", NAME + "x.example", when, old, ttl=1)
    (state / "cache").write_bytes(text)
    daemon = start(lab, state, dns, min_ttl=0)
    assert "info: restored 1 cache entries" in daemon.output()
    wait_until(lambda: ask(daemon).hosts() == [onion("x")], "the expiry")
    assert dns.count("x.example") > 0


def test_greatest_numbers(lab, state, dns):
    target = (65535, 65535, 65535, onion("x"))
    fields = {"ttl": 2**32 - 1, "dropped": 65535}
    text = fact("cache", NAME + "x.example", 2**63 - 1, target, **fields)
    (state / "cache").write_bytes(text)
    daemon = start(lab, state, dns)
    assert ask(daemon).targets() == [(onion("x"), 65535)]
    daemon.terminate()
    daemon.start()
    assert ask(daemon).targets() == [(onion("x"), 65535)]
    assert dns.seen == [] and warnings(daemon) == []


# Damage. Each changes a list of lines, loses some, and makes lines that are damaged.


def flip(*places):
    """Bits at (line, byte)."""

    def damage(lines):
        for i, at in places:
            changed = bytearray(lines[i])
            changed[at] ^= 1
            lines[i] = bytes(changed)

    return damage


def replace(i, change):
    def damage(lines):
        lines[i] = change(lines[i])

    return damage


def insert(text):
    return lambda lines: lines.insert(20, text)


def all_of(text):
    def damage(lines):
        lines[:] = [text]

    return damage


def rubbish(count):
    return random.Random(1).randbytes(count).replace(b"\n", b"x")


COUNT = 40
ALL = set(range(COUNT))

DAMAGE = {
    "none": (lambda lines: None, set(), 0),
    "kind": (flip((5, 2)), {5}, 1),
    "blank": (flip((5, 5)), {5}, 1),
    "domain": (flip((5, 12)), {5}, 1),
    "target": (flip((5, 60)), {5}, 1),
    "checksum": (flip((5, -5)), {5}, 1),
    "several lines": (flip((3, 1), (17, 30), (39, 60)), {3, 17, 39}, 3),
    "cut": (replace(-1, lambda text: text[:50]), {39}, 1),
    "cut in the checksum": (replace(-1, lambda text: text[:-2]), {39}, 1),
    "cut before the newline": (replace(-1, lambda text: text[:-1]), set(), 0),
    "two lines in one": (replace(7, lambda text: text[:-1]), {7, 8}, 1),
    "one line in two": (replace(7, lambda text: text[:40] + b"\n" + text[40:]), {7}, 2),
    "carriage return": (replace(9, lambda text: text[:-1] + b"\r\n"), {9}, 1),
    "rubbish": (insert(rubbish(5000) + b"\n"), set(), 1),
    "a line of a megabyte": (insert(b"x" * MB + b"\n"), set(), 1),
    "a line twice": (replace(9, lambda text: text * 2), set(), 0),
    "NULs": (insert(b"\0" * 100 + b"\n"), set(), 1),
    "an empty line": (insert(b"\n"), set(), 1),
    "a blank line": (insert(b" " * 17 + b"\n"), set(), 1),
    "a pin": (insert(pin("pinned.example", (1, 0, 25, onion("p")))), set(), 1),
    "all rubbish": (all_of(rubbish(9999)), ALL, 1),
    "empty": (all_of(b""), ALL, 0),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage(lab, state, dns, case):
    """What is whole is used, the rest is asked for; a warning, and the next file is
    whole."""
    damage, lost, damaged = DAMAGE[case]
    lines = []
    for i in range(COUNT):
        dns.on(f"d{i}.example", does.one(f"new {i}"))
        lines.append(cached(f"d{i}.example", (1, 0, 25, onion(f"old {i}"))))
    damage(lines)
    (state / "cache").write_bytes(b"".join(lines))
    daemon = start(lab, state, dns)
    told = [f"onionmxd: warning: {state}/cache: ignored {damaged} damaged lines"]
    for i in range(COUNT):
        want = onion(f"new {i}" if i in lost else f"old {i}")
        assert ask(daemon, f"d{i}.example").hosts() == [want], i
    assert warnings(daemon) == (told if damaged else [])
    daemon.terminate()
    before = len(warnings(daemon))
    daemon.start()
    assert len(warnings(daemon)) == before
    assert f"info: restored {COUNT} cache entries" in daemon.output()


@pytest.mark.parametrize("bit", [0x01, 0x20, 0x80])
def test_no_flipped_bit_is_overlooked(lab, state, dns, bit):
    good = cached("x.example", (1, 0, 25, onion("old")))
    lines = []
    for at in range(len(good) - 1):
        lines.append(bytearray(good))
        lines[-1][at] ^= bit
    (state / "cache").write_bytes(b"".join(lines))
    daemon = start(lab, state, dns)
    assert f"ignored {len(lines)} damaged lines" in daemon.output()
    assert ask(daemon).hosts() == [onion("x")]


# Their checksums are right.
NONSENSE = [
    "cache SRV _onion-mx._tcp.x.example {when} 300 + - 0",
    "cache SRV _onion-mx._tcp.x.example {when} 300 - - 0 1 0 25 {onion}",
    "cache SRV _onion-mx._tcp.x.example {when} 300 ? - 0",
    "cache SRV _onion-mx._tcp.x.example {when} 300 + x 0 1 0 25 {onion}",
    "cache SRV _onion-mx._tcp.x.example {when} 300 + - 65536 1 0 25 {onion}",
    "cache SRV _onion-mx._tcp.x.example {when} 4294967296 + - 0 1 0 25 {onion}",
    "cache SRV _onion-mx._tcp.x.example -1 300 + - 0 1 0 25 {onion}",
    "cache SRV _onion-mx._tcp.x.example 9223372036854775808 300 + - 0 1 0 25 {onion}",
    "cache SRV _onion-mx._tcp.x.example 99999999999999999999 300 + - 0 1 0 25 {onion}",
    "cache SRV _onion-mx._tcp.x.example {when} 300 + - 0 1 0 0 {onion}",
    "cache SRV _onion-mx._tcp.x.example {when} 300 + - 0 1 0 65536 {onion}",
    "cache SRV _onion-mx._tcp.x.example {when} 300 + - 0 65536 0 25 {onion}",
    "cache SRV _onion-mx._tcp.x.example {when} 300 + - 0 1 0 25",
    "cache SRV _onion-mx._tcp.x.example {when} 300 + - 0 1 0 25 {onion} 2 0",
    "cache SRV _onion-mx._tcp.x.example {when} 300 + - 0 1 0 25 {onion}x",
    "cache SRV _onion-mx._tcp.x.example {when} 300 + - 0 1 0 25 {mistyped}",
    "cache SRV _onion-mx._tcp.x.example {when} 300 + - 0 1 0 25 mail.example.org",
    "cache SRV _onion-mx._tcp.x.example {when} 300 + - 0 1 0 25 {onion} ",
    "cache SRV _onion-mx._tcp.x.example {when} 300 + - 0  1 0 25 {onion}",
    "cache SRV _onion-mx._tcp.X.example {when} 300 + - 0 1 0 25 {onion}",
    "cache SRV _onion-mx._tcp.x..example {when} 300 + - 0 1 0 25 {onion}",
    "cache SRV  {when} 300 + - 0 1 0 25 {onion}",
    "cache A x.example {when} 300 + - 0 1 0 25 {onion}",
    "cache AAAA x.example {when} 300 + - 0",
    "cache TXT x.example {when} 300 + - 0 1 0 25 {onion}",
    "cache MX x.example {when} 300 + - 0",
    "held SRV x.example {when} 300 + - 0 1 0 25 {onion}",
    "cached SRV x.example {when} 300 + - 0 1 0 25 {onion}",
    "cache SRV _onion-mx._tcp.x.example {when} 300 + - 0" + " 1 0 25 {onion}" * 17,
    "cache",
    "",
]


def test_nonsense(lab, state, dns):
    names = {"onion": onion("old"), "mistyped": mistyped("old")}
    lines = [
        line(text.format(when=int(time.time()) + 100, **names)) for text in NONSENSE
    ]
    (state / "cache").write_bytes(b"".join(lines))
    daemon = start(lab, state, dns)
    assert f"ignored {len(NONSENSE)} damaged lines" in daemon.output()
    assert ask(daemon).hosts() == [onion("x")]


# A state that can't be kept


def spoil(lab, state, how):
    if how == "a directory in the file's place":
        (state / "cache").mkdir()
        return
    state.rmdir()
    if how == "a file in the directory's place":
        state.write_text("precious")
    if how == "a dangling link":
        state.symlink_to(lab.dir / "nowhere")


SPOILT = (
    "a directory in the file's place",
    "a file in the directory's place",
    "no directory",
    "a dangling link",
)


@pytest.mark.parametrize("how", SPOILT)
def test_a_state_that_cannot_be_kept(lab, state, dns, how):
    """Warnings and a counter, that is all."""
    spoil(lab, state, how)
    daemon = start(lab, state, dns, cache_save=1)
    assert any(str(state) in text for text in warnings(daemon))
    assert ask(daemon).outcome == ROUTE
    wait_until(lambda: daemon.counted("state_failures") > 1, "two failures")
    assert ask(daemon, "y.example").outcome == ROUTE
    daemon.terminate()
    told = [text for text in warnings(daemon) if "can't write the cache" in text]
    assert told == [f"onionmxd: warning: can't write the cache to {state}/cache"]
    if how == SPOILT[0]:
        assert [path.name for path in state.iterdir()] == ["cache"]
        assert (state / "cache").is_dir()
    if how == SPOILT[1]:
        assert state.read_text() == "precious"


def test_a_directory_that_comes_later(lab, state, dns):
    state.rmdir()
    daemon = start(lab, state, dns, cache_save=1)
    assert ask(daemon).outcome == ROUTE
    wait_until(lambda: daemon.counted("state_failures"), "a failure")
    state.mkdir()
    wait_until(lambda: saved(state, "x.example"), "the file")


def test_a_full_disk(lab, state, dns):
    """The old file stays."""
    lines = [cached(f"d{i}.example", (1, 0, 25, onion(i))) for i in range(300)]
    (state / "cache").write_bytes(b"".join(lines))
    limit = ("prlimit", "--fsize=16384")
    daemon = start(lab, state, dns, cache_save=1, prefix=limit)
    assert ask(daemon).outcome == ROUTE
    wait_until(lambda: daemon.counted("state_failures") > 1, "two failures")
    assert ask(daemon, "y.example").outcome == ROUTE
    daemon.terminate()
    assert (state / "cache").read_bytes() == b"".join(lines)
    assert [path.name for path in state.iterdir()] == ["cache"]
    assert daemon.output().count("can't write the cache") == 1


def test_a_link_in_the_place_of_the_new_file(lab, state, dns):
    """It isn't followed."""
    victim = lab.dir / "victim"
    victim.write_text("precious")
    (state / "cache.tmp").symlink_to(victim)
    daemon = start(lab, state, dns)
    assert ask(daemon).outcome == ROUTE
    daemon.terminate()
    assert victim.read_text() == "precious" and not (state / "cache").exists()


# The file


def test_the_file(lab, state, dns):
    """Whatever the umask, and whatever an earlier daemon has left."""
    (state / "cache.tmp").write_text("half a li")
    (state / "cache.tmp").chmod(0o600)
    umask = ("sh", "-c", 'umask 0 && exec "$@"', "sh")
    daemon = start(lab, state, dns, cache_save=1, prefix=umask)
    ask(daemon)
    wait_until(lambda: saved(state, "x.example"), "the file")
    daemon.terminate()
    assert [path.name for path in state.iterdir()] == ["cache"]
    assert stat.S_IMODE((state / "cache").stat().st_mode) == 0o600
    assert saved(state, "x.example")


def test_no_state(lab, dns):
    cwd = lab.dir / "cwd"
    cwd.mkdir()
    daemon = lab.daemon(dns=dns, cache_save=1, prefix=("env", "-C", cwd))
    ask(daemon)
    before = set(lab.dir.rglob("*"))
    daemon.terminate()
    assert set(lab.dir.rglob("*")) <= before and list(cwd.iterdir()) == []
    daemon.start()
    assert ask(daemon).outcome == ROUTE and dns.count("x.example") == 2
    assert "in the cache from before" not in daemon.output()


# Saving holds up nobody


def slowest(daemon, until):
    """Asks until something has come true; the longest that an answer took."""
    longest = 0
    while not until():
        began = time.monotonic()
        assert ask(daemon).outcome == ROUTE
        longest = max(longest, time.monotonic() - began)
    return longest


def test_a_large_cache(lab, state, dns):
    count, path = 20000, state / "cache"
    lines = (cached(f"d{i}.example", (1, 0, 25, onion(i))) for i in range(count))
    path.write_bytes(b"".join(lines))
    daemon = start(lab, state, dns, cache_save=1)
    assert f"info: restored {count} cache entries" in daemon.output()
    files = [path.stat().st_ino]

    def saved_thrice():
        now = path.stat().st_ino
        if now != files[-1]:
            files.append(now)
        return len(files) > 3

    assert slowest(daemon, saved_thrice) < 1
    daemon.terminate()
    assert len(path.read_bytes().splitlines()) == count + 1
    assert warnings(daemon) == []


def children(process):
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in path.read_text().split()]


def status(pid):
    """A letter, see proc(5); X if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "X"
    return text.rsplit(")", 1)[1].split()[0]


def hanging_save(lab, state, dns):
    """A daemon whose child hangs while it opens the new file; the next one won't."""
    fifo = state / "cache.tmp"
    os.mkfifo(fifo)
    daemon = start(lab, state, dns, cache_save=1)
    child = wait_until(lambda: children(daemon), "the child")[0]
    wait_until(lambda: status(child) == "S", "its hanging")
    fifo.unlink()
    return daemon, child


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_a_disk_that_hangs(lab, state, dns, end):
    """All are served, and the child doesn't outlive the daemon."""
    daemon, child = hanging_save(lab, state, dns)
    asked = iter(range(1000))
    assert slowest(daemon, lambda: next(asked) == 500) < 1
    assert children(daemon) == [child]
    getattr(daemon, end)()
    wait_until(lambda: status(child) in "ZX", "its end")
    daemon.hang_up()
    assert saved(state, "x.example") == (end == "terminate")
    daemon.start()
    assert ask(daemon).outcome == ROUTE


def test_a_signal_to_all_processes(lab, state, dns):
    """As systemd sends it: it is one signal to the daemon, not two."""
    dns.on("slow.example", does.delay(1, does.one("slow")))
    daemon, child = hanging_save(lab, state, dns)
    with connect(daemon.address("tcp_table")) as s:
        s.sendall(b"get slow.example\n")
        wait_until(lambda: daemon.counted("lookups") == 1, "the question")
        os.kill(child, signal.SIGTERM)
        daemon.signal(signal.SIGTERM)
        assert daemon.client("tcp_table").read(s).hosts() == [onion("slow")]
    assert daemon.wait() == 0
    assert "second termination signal" not in daemon.output()


# Another configuration after the restart


def test_another_prefix(lab, state, dns):
    """What was under the old names doesn't count under the new ones."""
    daemon = start(lab, state, dns)
    assert ask(daemon).outcome == ROUTE
    daemon.terminate()
    daemon.settings["srv_prefix"] = "_other._tcp."
    daemon.write_config()
    daemon.start()
    ask(daemon)
    assert "_other._tcp.x.example" in dns.names()


@pytest.mark.parametrize(
    "domain, option",
    [("x.example", "max_ttl"), ("absent.example", "max_negative_ttl")],
)
def test_a_smaller_limit_to_the_time(lab, state, dns, domain, option):
    """It holds for what is left from before, too."""
    daemon = start(lab, state, dns, min_ttl=0)
    ask(daemon, domain)
    daemon.terminate()
    dns.on(domain, does.one("new"))
    daemon.settings[option] = 1
    daemon.write_config()
    daemon.start()

    wait_until(lambda: hosts_or_outcome(ask(daemon, domain)) == NEW, "the expiry", 5)
