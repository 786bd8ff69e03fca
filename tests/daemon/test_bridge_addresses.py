"""The addresses that the bridge gives out: one for each set of targets."""

import ipaddress
import re
import socket
import stat
import subprocess
import time

import pytest

from harness import behaviours as does
from harness.bridged import (
    NET,
    PROTOCOLS,
    bridged,
    change_map,
    connect_to,
    exactly,
    hear,
    hear_elsewhere,
    make_bridged,
    unreachable,
    where,
)
from harness.clients import NONE, ROUTE, TEMP
from harness.daemon import ONIONMXD
from harness.onion import mistyped, onion
from harness.proc import LOOPBACK, free_port, wait_until
from harness.state_line import line

A, B, C, D = (onion(seed) for seed in "abcd")

IN_USE = "the addresses of the bridge are in use"
NOT_KEPT = "a new address of the bridge cannot be stored"

SMALL = NET.replace("/16", "/30")  # with two addresses
FIRST = NET.split("/")[0]


@pytest.fixture
def socks(lab):
    return lab.socks()


@pytest.fixture
def state(lab):
    state = lab.dir / "state"
    state.mkdir()
    return state


def address(last):
    """Of the range."""
    return str(ipaddress.ip_address(FIRST) + last)


def kept(state):
    """{address: line} of the file."""
    lines = [text.split() for text in (state / "bridge").read_text().splitlines()]
    return {words[1]: " ".join(words) for words in lines if words[0] == "address"}


def restart(daemon, end="terminate"):
    daemon.hang_up()
    getattr(daemon, end)()
    return daemon.start()


def leads_to(socks, place, *hosts):
    """A connection to the address tries these."""
    before = len(socks.asked)
    with connect_to(place) as s:
        s.sendall(b"x")
        assert exactly(s, 1) == b"x"
    assert socks.hosts()[before:] == list(hosts)


# The answers


def test_every_protocol(lab, socks):
    daemon = bridged(lab, socks, map=f"x.example {A}, {B}:2525\n")
    ip, port = where(daemon, "x.example")
    assert port == daemon.settings["bridge_port"]
    assert ipaddress.ip_address(ip) in ipaddress.ip_network(NET)
    assert daemon.ask("readsocket", "x.example").value == f"{ip}::{port}"
    for listener in ("tcp_table", "socketmap"):
        assert daemon.ask(listener, "x.example").value == f"smtp:[{ip}]:{port}"
    assert daemon.counter("bridge_addresses") == 1


def test_another_transport(lab, socks):
    daemon = make_bridged(lab, socks)
    daemon.listeners["socketmap"]["transport"] = "onion"
    daemon.write_config()
    daemon.start()
    ip, port = where(daemon, A)
    assert daemon.ask("socketmap", A).value == f"onion:[{ip}]:{port}"


def test_what_is_no_route_has_no_address(lab, socks, state):
    daemon = bridged(lab, socks, map=f"x.example {A}\nclear.example -\n")
    for listener in PROTOCOLS:
        assert daemon.ask(listener, "clear.example").outcome == NONE
        assert daemon.ask(listener, "dns.example").outcome == TEMP
        assert daemon.ask(listener, "*").outcome == NONE
        assert daemon.ask(listener, mistyped("a")).outcome == "FAIL"
    assert kept(state) == {}


SETS = f"""
x.example {A}
y.example {A}
port.example {A}:26
host.example mail.{A}
other.example {B}
both.example {A}, {B}
round.example {B}, {A}
ports.example {A}:26, {B}
"""

SAME = {"x.example", "y.example", "host.example"}, {"both.example", "round.example"}


@pytest.mark.parametrize("isolation", ["onion", "none", "domain"])
def test_an_address_for_each_set_of_targets(lab, socks, isolation):
    """And for each domain, if so isolated."""
    daemon = bridged(lab, socks, map=SETS, bridge_isolation=isolation)
    domains = [text.split()[0] for text in SETS.split("\n") if text]
    got = {domain: where(daemon, domain) for domain in domains}
    for domain in domains:
        for other in domains:
            same = any({domain, other} <= names for names in SAME)
            together = same and isolation != "domain"
            assert (got[domain] == got[other]) == (domain == other or together)
    count = len(domains) - (0 if isolation == "domain" else 3)
    assert daemon.counter("bridge_addresses") == count


def test_an_onion_as_domain(lab, socks):
    """It is the same set of targets."""
    daemon = bridged(lab, socks, map=f"x.example {A}\n")
    assert where(daemon, A) == where(daemon, "x.example")


@pytest.mark.parametrize("isolation", ["onion", "none", "domain"])
def test_recipients_below_an_onion(lab, socks, isolation):
    """However many names there are, it is one service, and one address."""
    daemon = bridged(lab, socks, bridge_isolation=isolation)
    place = where(daemon, A)
    for i in range(100):
        assert where(daemon, f"x@a{i}.{A}") == place
    assert where(daemon, f"b.c.{A}") == place != where(daemon, f"b.{B}")
    assert daemon.counter("bridge_addresses") == 2
    leads_to(socks, place, A)


def test_domains_below_the_entry(lab, socks):
    daemon = bridged(lab, socks, map=f".example {A}\n", bridge_isolation="domain")
    assert where(daemon, "a.example") == where(daemon, "user@a.example")
    assert where(daemon, "a.example") != where(daemon, "b.example")


# Over restarts


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_a_restart(lab, socks, end):
    """Who remembers an address needn't even ask."""
    daemon = bridged(lab, socks, map=SETS)
    domains = [text.split()[0] for text in SETS.split("\n") if text]
    before = {domain: where(daemon, domain) for domain in domains}
    restart(daemon, end)
    leads_to(socks, before["other.example"], B)
    assert {domain: where(daemon, domain) for domain in reversed(domains)} == before
    assert daemon.counter("bridge_addresses") == 0
    assert "warning" not in daemon.output()


def test_the_map_changes(lab, socks):
    """The old address leads where it led."""
    daemon = bridged(lab, socks, map=f"x.example {A}\n")
    old = where(daemon, "x.example")
    change_map(lab, daemon, f"x.example {B}\ny.example {C}\n")
    new = where(daemon, "x.example")
    assert len({old, new, where(daemon, "y.example")}) == 3
    leads_to(socks, old, A)
    leads_to(socks, new, B)
    restart(daemon)
    leads_to(socks, old, A)
    leads_to(socks, new, B)
    change_map(lab, daemon, f"x.example {A}\n")
    assert where(daemon, "x.example") == old


def test_never_given_to_another(lab, socks):
    """Though nobody asks for the old ones any more."""
    daemon = bridged(lab, socks, map=f"x.example {A}\ny.example {B}\n", bridge_network=SMALL)
    before = where(daemon, "x.example"), where(daemon, "y.example")
    assert {ip for ip, _ in before} == {address(1), address(2)}
    change_map(lab, daemon, f"x.example {C}\ny.example {D}\n")
    for _ in range(2):
        assert daemon.ask("socketmap", "x.example").outcome == TEMP
        assert daemon.ask("socketmap", "y.example").outcome == TEMP
        restart(daemon)
    leads_to(socks, before[0], A)
    leads_to(socks, before[1], B)


@pytest.mark.parametrize("first, then", [("onion", "domain"), ("domain", "none")])
def test_isolate_changes(lab, socks, first, then):
    daemon = bridged(lab, socks, map=f"x.example {A}\n", bridge_isolation=first)
    old = where(daemon, "x.example")
    daemon.settings["bridge_isolation"] = then
    daemon.write_config()
    restart(daemon)
    assert where(daemon, "x.example") != old
    leads_to(socks, old, A)


def test_the_range_changes(lab, socks):
    """What isn't in it is left out; it is there when the range is back."""
    daemon = bridged(lab, socks, map=f"x.example {A}\n", bridge_network=SMALL)
    old = where(daemon, "x.example")
    daemon.settings["bridge_network"] = NET.replace(".0.0/16", ".1.0/30")
    daemon.write_config()
    restart(daemon)
    assert "ignored 1 lines that are damaged or outside of the range" in daemon.output()
    with connect_to(old) as s:
        assert hear(s) == b""
    new = where(daemon, "x.example")
    assert new != old
    daemon.settings["bridge_network"] = SMALL
    daemon.write_config()
    restart(daemon)
    assert where(daemon, "x.example") == old


def test_all_of_a_range(lab, socks):
    """Its first and its last address aren't used."""
    text = "".join(f"d{i}.example {onion(i)}\n" for i in range(15))
    daemon = bridged(lab, socks, map=text, bridge_network=NET.replace("/16", "/28"))
    answers = [daemon.ask("socketmap", f"d{i}.example") for i in range(15)]
    assert {host for a in answers[:14] for host in a.hosts()} == {
        address(i) for i in range(1, 15)
    }
    assert answers[14] == (TEMP, IN_USE)


# The file


def test_the_file(lab, socks, state):
    umask = ("sh", "-c", 'umask 0 && exec "$@"', "sh")
    daemon = bridged(
        lab,
        socks,
        map=f"x.example {A}, {B}:26 tls=secure:mx.example\n",
        bridge_isolation="domain",
        prefix=umask,
    )
    ip, _ = where(daemon, "x.example")
    text = (state / "bridge").read_text()
    day = text.split()[2]
    assert abs(int(day) - time.time() / 86400) < 2
    want = line(f"address {ip} {day} map x.example secure:mx.example {A}:25 {B}:26")
    assert text.encode() == want
    assert stat.S_IMODE((state / "bridge").stat().st_mode) == 0o600


def way(last, *targets, domain="-", tls="-"):
    return line(f"bridge {address(last)} {domain} {tls} {' '.join(targets)}")


def test_what_the_file_says_counts(lab, socks, state):
    (state / "bridge").write_bytes(way(7, A + ":25") + way(9, B + ":25", A + ":26"))
    daemon = bridged(lab, socks, map=f"x.example {A}:26, {B}\ny.example {A}\n")
    assert where(daemon, "x.example")[0] == address(9)
    assert where(daemon, "y.example")[0] == address(7)
    assert daemon.counter("bridge_addresses") == 0


ONE, TWO, THREE = way(5, A + ":25"), way(6, B + ":25"), way(7, C + ":25")

# Contents, which of the three addresses are left, and how many lines aren't.
DAMAGE = {
    "none": (ONE + TWO + THREE, "abc", 0),
    "no file": (None, "", 0),
    "empty": (b"", "", 0),
    "a flipped bit": (ONE + TWO.replace(b" - ", b" , ", 1) + THREE, "ac", 1),
    "cut": (ONE + TWO + THREE[:50], "ab", 1),
    "cut in the checksum": (ONE + TWO + THREE[:-3], "ab", 1),
    "cut before the newline": (ONE + TWO + THREE[:-1], "abc", 0),
    "cut in the first": (ONE[:20], "", 1),
    "two lines in one": (ONE[:-1] + TWO + THREE, "c", 1),
    "an empty line": (ONE + b"\n" + TWO + THREE, "abc", 1),
    "a line twice": (ONE + TWO + TWO + THREE, "abc", 1),
    "rubbish": (b"\xff\0" * 5000 + b"\n" + ONE + TWO + THREE, "abc", 1),
    "a line of a megabyte": (ONE + b"x" * 1048576 + b"\n" + TWO + THREE, "abc", 1),
    "an address for two": (ONE + way(5, B + ":25") + THREE, "ac", 1),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage(lab, socks, state, case):
    """What is whole counts, and what is added is, too; then it stays as it is."""
    data, whole, left_out = DAMAGE[case]
    if data is not None:
        (state / "bridge").write_bytes(data)
    daemon = bridged(lab, socks, map=f"a.example {A}\nb.example {B}\nc.example {C}\n")
    told = re.findall(r"/bridge: ignored (\d+) lines", daemon.output())
    assert told == ([str(left_out)] if left_out else [])
    old = {"a": address(5), "b": address(6), "c": address(7)}
    got = {x: where(daemon, f"{x}.example") for x in "abc"}
    assert {x for x in "abc" if got[x][0] == old[x]} == set(whole)
    assert len(set(got.values())) == 3
    assert daemon.counter("bridge_addresses") == 3 - len(whole)
    restart(daemon)
    for x, host in zip("abc", (A, B, C)):
        leads_to(socks, got[x], host)
    assert {x: where(daemon, f"{x}.example") for x in "abc"} == got
    assert daemon.counter("bridge_addresses") == 0


# Their checksums are right.
NONSENSE = [
    "",
    "bridge",
    f"bridge {address(3)} - -",
    f"bridge {address(3)} - - ",
    f"bridge {address(3)} - {A}:25",
    f"bridge {address(3)} - - {A}:0",
    f"bridge {address(3)} - - {A}:65536",
    f"bridge {address(3)} - - {A}:25 ",
    f"bridge {address(3)}  - - {A}:25",
    f"bridge {address(3)} - - {A}:25,{B}:25",
    f"bridge {address(3)} - - {A.upper()}:25",
    f"bridge {address(3)} - - {mistyped('a')}:25",
    f"bridge {address(3)} - - mail.example.org:25",
    f"bridge {address(3)} - strict {A}:25",
    f"bridge {address(3)} - secure {A}:25",
    f"bridge {address(3)} X.example - {A}:25",
    f"bridge {address(3)} x..example - {A}:25",
    f"bridge {address(3)} - - " + " ".join(f"{A}:{i}" for i in range(1, 18)),
    f"bridge {address(3)}.1 - - {A}:25",
    f"bridge 0{address(3)} - - {A}:25",
    f"bridge {address(0)} - - {A}:25",
    f"bridge {address(65535)} - - {A}:25",
    f"bridge {address(65536)} - - {A}:25",
    f"bridge 127.0.0.1 - - {A}:25",
    f"bridge 0.0.0.0 - - {A}:25",
    f"bridge 192.0.2.1 - - {A}:25",
    f"bridge 4294967299 - - {A}:25",
    f"pin {address(3)} - - {A}:25",
]


def test_nonsense(lab, socks, state):
    (state / "bridge").write_bytes(b"".join(map(line, NONSENSE)))
    daemon = bridged(lab, socks)
    assert f"/bridge: ignored {len(NONSENSE)} lines" in daemon.output()
    where(daemon, A)
    assert daemon.counter("bridge_addresses") == 1


def test_a_full_disk(lab, socks, state):
    """No new address that can't be kept; what has one has it. When there is room again it
    is given out, and what is there of lines harms nothing."""
    (state / "bridge").write_bytes(line("all-used 1") * 500)  # more than is in the log
    daemon = bridged(lab, socks, map=f"x.example {A}\n")
    old = where(daemon, "x.example")
    text = f"x.example {A}\ny.example {B}\nclear.example {C} on_failure=clearnet\n"
    change_map(lab, daemon, text)
    room = (state / "bridge").stat().st_size + 20
    limit = ["prlimit", "--pid", str(daemon.pid)]
    subprocess.run([*limit, f"--fsize={room}:unlimited"], check=True)
    for _ in range(3):
        assert daemon.ask("readsocket", "y.example") == (TEMP, NOT_KEPT)
    assert daemon.ask("readsocket", "clear.example").outcome == NONE
    assert where(daemon, "x.example") == old
    leads_to(socks, old, A)
    assert daemon.counted("state_failures") > 0
    assert daemon.counted("bridge_failures") >= 3
    told = [text for text in warnings(daemon) if "new routes get no address" in text]
    assert len(told) == 1 and f"{state}/bridge: " in told[0], told
    subprocess.run([*limit, "--fsize=unlimited"], check=True)

    def given():
        return daemon.ask("readsocket", "y.example").outcome == ROUTE

    wait_until(given, "room")
    got = where(daemon, "y.example"), where(daemon, "clear.example")
    restart(daemon, "kill")
    assert (where(daemon, "y.example"), where(daemon, "clear.example")) == got
    assert where(daemon, "x.example") == old
    assert daemon.counter("bridge_addresses") == 0
    assert "damaged" not in daemon.output()


def set_aside(state):
    state.rename(aside := state.with_name("aside"))
    return aside


def test_a_state_that_goes_and_comes_back(lab, socks, state):
    """With all that was in it, whatever has happened to the name of the file."""
    daemon = bridged(lab, socks, map=f"x.example {A}\ny.example {B}\n")
    old = where(daemon, "x.example")
    (state / "bridge").unlink()
    aside = set_aside(state)
    assert daemon.ask("readsocket", "y.example") == (TEMP, NOT_KEPT)
    assert where(daemon, "x.example") == old
    leads_to(socks, old, A)
    aside.rename(state)
    wait_until(lambda: daemon.ask("readsocket", "y.example").outcome == ROUTE, "the state")
    new = where(daemon, "y.example")
    restart(daemon, "kill")
    leads_to(socks, old, A)
    assert (where(daemon, "x.example"), where(daemon, "y.example")) == (old, new)
    assert daemon.counter("bridge_addresses") == 0


READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'


def test_a_read_only_state(lab, socks, state):
    """What is known is served, with a warning."""
    daemon = bridged(lab, socks, map=f"x.example {A}\ny.example {B}\n")
    old = where(daemon, "x.example")
    daemon.hang_up()
    daemon.terminate()
    before = (state / "bridge").read_bytes()
    prefix = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", str(state)]
    daemon.args = [*prefix, *daemon.args]
    daemon.start()
    assert where(daemon, "x.example") == old
    leads_to(socks, old, A)
    assert daemon.ask("readsocket", "y.example") == (TEMP, NOT_KEPT)
    assert any("Read-only file system" in text for text in warnings(daemon))
    daemon.hang_up()
    daemon.terminate()
    assert (state / "bridge").read_bytes() == before


def test_a_state_that_is_not_there_yet(lab, socks, state):
    """It is no reason not to start, and is taken when it comes."""
    state.rmdir()
    daemon = make_bridged(lab, socks, map=f"x.example {A}\n")
    state.rmdir()
    daemon.start()
    assert daemon.ask("readsocket", "x.example") == (TEMP, NOT_KEPT)
    assert any(f"{state}/bridge: " in text for text in warnings(daemon))
    state.mkdir()
    wait_until(lambda: daemon.ask("readsocket", "x.example").outcome == ROUTE, "the state")
    place = where(daemon, "x.example")
    restart(daemon, "kill")
    leads_to(socks, place, A)


def test_another_file_that_comes(lab, socks, state):
    """It was never read, so nothing is added to it."""
    daemon = make_bridged(lab, socks, map=f"x.example {A}\n")
    state.rmdir()
    daemon.start()
    state.mkdir()
    (state / "bridge").write_bytes(ONE)
    for _ in range(3):
        assert daemon.ask("readsocket", "x.example") == (TEMP, NOT_KEPT)
        time.sleep(0.5)
    assert (state / "bridge").read_bytes() == ONE
    restart(daemon)
    assert where(daemon, "x.example")[0] == address(5)


SPOILT = (
    "a directory in the file's place",
    "a file in the directory's place",
    "a link in the file's place",
)


@pytest.mark.parametrize("how", SPOILT)
def test_a_state_that_cannot_be_kept(lab, socks, state, how):
    """Such a mistake doesn't pass."""
    victim = lab.dir / "victim"
    victim.write_text("")
    daemon = make_bridged(lab, socks)
    if how == SPOILT[0]:
        (state / "bridge").mkdir()
    elif how == SPOILT[1]:
        state.rmdir()
        state.write_text("")
    else:
        (state / "bridge").symlink_to(victim)
    args = [*ONIONMXD, "-f", "-c", daemon.config]
    done = subprocess.run(args, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and f"error: {state}/bridge" in done.stderr
    assert victim.read_text() == ""
    assert not any(path.exists() for path in daemon.unix_paths())


def day_before(days):
    return int(time.time()) // 86400 - days


def used(last, *targets, days):
    """An address that was used so many days ago."""
    text = f"address {address(last)} {day_before(days)} map - - {' '.join(targets)}"
    return line(text)


@pytest.mark.parametrize("days, given", [(13, False), (20, True)])
def test_an_address_nobody_uses(lab, socks, state, days, given):
    """After bridge_reuse days, 14, another route may have it."""
    text = used(1, A + ":25", days=days) + used(2, B + ":25", days=0)
    (state / "bridge").write_bytes(text)
    daemon = bridged(lab, socks, map=f"x.example {C}\n", bridge_network=SMALL)
    answer = daemon.ask("socketmap", "x.example")
    if not given:
        assert answer == (TEMP, IN_USE)
        leads_to(socks, (address(1), daemon.settings["bridge_port"]), A)
        return
    assert answer.hosts() == [address(1)]
    restart(daemon, "kill")
    leads_to(socks, (address(1), daemon.settings["bridge_port"]), C)
    leads_to(socks, (address(2), daemon.settings["bridge_port"]), B)


@pytest.mark.parametrize("how", ["answered", "connected to"])
def test_a_use_is_kept(lab, socks, state, how):
    """Once a day; after a restart the address still is in use."""
    text = used(1, A + ":25", days=10) + used(2, B + ":25", days=0)
    (state / "bridge").write_bytes(text)
    daemon = bridged(lab, socks, map=f"a.example {A}\n", bridge_network=SMALL)
    place = address(1), daemon.settings["bridge_port"]
    for _ in range(3):
        if how == "answered":
            assert where(daemon, "a.example") == place
        else:
            leads_to(socks, place, A)
    wait_until(lambda: b"used " in (state / "bridge").read_bytes(), "the line")
    daemon.hang_up()
    daemon.kill()
    added = (state / "bridge").read_text().removeprefix(text.decode())
    assert added.encode() == line(f"used {address(1)} {day_before(0)}")


def test_days_that_nobody_knows(lab, socks, state):
    """Of a file of an older version, and after a clock that was wrong: all addresses count
    as used today."""
    (state / "bridge").write_bytes(way(1, A + ":25") + way(2, B + ":25"))
    daemon = bridged(lab, socks, map=f"x.example {C}\n", bridge_network=SMALL)
    assert daemon.ask("socketmap", "x.example") == (TEMP, IN_USE)
    restart(daemon)
    assert daemon.ask("socketmap", "x.example") == (TEMP, IN_USE)
    assert line(f"all-used {day_before(0)}") in (state / "bridge").read_bytes()
    daemon.hang_up()
    daemon.terminate()
    long_ago = used(1, A + ":25", days=900) + used(2, B + ":25", days=800)
    (state / "bridge").write_bytes(long_ago)
    daemon.start()
    assert daemon.ask("socketmap", "x.example") == (TEMP, IN_USE)


def test_the_file_does_not_grow_for_ever(lab, socks, state):
    """What doesn't count any more is left out at times; what is of another range isn't."""
    lines = [used(1, A + ":25", days=9), line(f"address 127.1.1.1 1 map - - {B}:25")]
    lines += [line(f"used {address(1)} {day_before(5)}")] * 3000
    (state / "bridge").write_bytes(b"".join(lines))
    daemon = bridged(lab, socks, map=f"x.example {C}\n")
    place = where(daemon, "x.example")
    wait_until(lambda: len((state / "bridge").read_bytes()) < 1000, "the new file")
    kept_lines = (state / "bridge").read_bytes().splitlines(keepends=True)
    assert set(kept_lines[:2]) == {used(1, A + ":25", days=5), lines[1]}
    assert where(daemon, "x.example") == place and not (state / "bridge.tmp").exists()
    where(daemon, D)
    restart(daemon, "kill")
    assert where(daemon, "x.example") == place
    leads_to(socks, (address(1), daemon.settings["bridge_port"]), A)
    assert daemon.counter("bridge_addresses") == 0


# The secret


def test_addresses_tell_nobody_what_was_asked(lab, socks, state):
    """They follow from a secret, which is for the daemon's user only and is kept."""
    daemon = bridged(lab, socks)
    places = [where(daemon, onion(i)) for i in range(20)]
    key = state / "bridge.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert re.fullmatch("[0-9a-f]{32}\n", secret := key.read_text())

    def new_addresses():
        daemon.terminate()
        (state / "bridge").unlink()
        daemon.start()
        return [where(daemon, onion(i)) for i in range(20)]

    assert new_addresses() == places
    assert key.read_text() == secret
    key.unlink()
    assert len(set(new_addresses()) & set(places)) < 3
    assert key.read_text() != secret


@pytest.mark.parametrize("damage", ["", "x\n", "0" * 32 + "\n", "ab" * 17 + "\n", "\0"])
def test_a_damaged_secret(lab, socks, state, damage):
    """There is a new one, and what was given out stays."""
    daemon = bridged(lab, socks)
    place = where(daemon, A)
    daemon.terminate()
    (state / "bridge.key").write_text(damage)
    daemon.start()
    assert where(daemon, A) == place
    assert re.fullmatch("[0-9a-f]{32}\n", (state / "bridge.key").read_text())


# Only what was given out


def test_only_clients_of_loopback(lab):
    """Another address of the machine may be that of a container behind NAT."""
    inside = 'ip link set lo up && ip addr add 192.0.2.7/32 dev lo && exec "$@"'
    prefix = ("unshare", "--net", "sh", "-c", inside, "sh")
    socks = [f"{LOOPBACK}:{free_port()}"]
    daemon = bridged(lab, bridge_users=[], socks=socks, prefix=prefix)
    enter = ("nsenter", f"--net=/proc/{daemon.pid}/ns/net")
    place = where(daemon, A)
    heard = hear_elsewhere(place, source="192.0.2.7", prefix=enter)
    assert heard == b""
    assert hear_elsewhere(place, prefix=enter) == unreachable("tor is down")
    assert daemon.counter("bridge_clients") == 1


# The limit


def test_the_limit(lab, socks):
    """What has an address keeps it."""
    text = "".join(f"d{i}.example {onion(i)}\n" for i in range(4))
    daemon = bridged(lab, socks, map=text, bridge_addresses=2)
    places = [where(daemon, f"d{i}.example") for i in range(2)]
    for listener in PROTOCOLS:
        assert daemon.ask(listener, "d2.example") == (TEMP, IN_USE)
        assert daemon.ask(listener, "d3.example").outcome == TEMP
        assert daemon.ask(listener, "d1.example").outcome == ROUTE
    leads_to(socks, places[0], onion(0))
    counters = daemon.counters()
    assert counters["bridge_addresses"] == 2
    assert counters["bridge_failures"] == counters["bridge_full"] == 6
    assert daemon.output().count("no address is left for a new route") == 1
    daemon.settings["bridge_addresses"] = 3
    daemon.write_config()
    restart(daemon)
    assert [where(daemon, f"d{i}.example") for i in range(2)] == places
    assert where(daemon, "d2.example") not in places
    assert daemon.ask("socketmap", "d3.example").outcome == TEMP


def test_a_lower_limit(lab, socks):
    """What was given out leads on."""
    daemon = bridged(lab, socks, map=f"x.example {A}\ny.example {B}\nz.example {C}\n")
    places = where(daemon, "x.example"), where(daemon, "y.example")
    daemon.settings["bridge_addresses"] = 1
    daemon.write_config()
    restart(daemon)
    assert (where(daemon, "x.example"), where(daemon, "y.example")) == places
    assert daemon.ask("socketmap", "z.example") == (TEMP, IN_USE)
    leads_to(socks, places[1], B)


# What strangers can do


def warnings(daemon):
    lines = daemon.output().splitlines()
    return [text for text in lines if text.startswith("onionmxd: warning: ")]


def test_strangers_fill_the_table(lab, socks):
    """An answer that is held leads where it led. There is room for the map, and for
    others' routes from DNS."""
    dns = lab.dns()
    for i in range(20):
        dns.on(f"d{i}.example", does.one(f"d{i}"))
        dns.on(f"x{i}.evil.example", does.one(f"x{i}"))
    text = "".join(f"m{i}.example {onion(i)}\n" for i in range(10))
    daemon = bridged(lab, socks, dns=dns, map=text, bridge_addresses=32)
    held = where(daemon, A)
    answers = [daemon.ask("socketmap", f"x@{onion(1000 + i)}") for i in range(50)]
    assert [a.outcome for a in answers] == [ROUTE] * 7 + [TEMP] * 43
    assert answers[7] == (TEMP, IN_USE)
    answers = [daemon.ask("socketmap", f"x{i}.evil.example") for i in range(20)]
    assert [a.outcome for a in answers] == [ROUTE] * 4 + [TEMP] * 16
    answers = [daemon.ask("socketmap", f"d{i}.example") for i in range(20)]
    assert [a.outcome for a in answers] == [ROUTE] * 12 + [TEMP] * 8
    answers = [daemon.ask("socketmap", f"m{i}.example") for i in range(10)]
    assert [a.outcome for a in answers] == [ROUTE] * 8 + [TEMP] * 2
    for end in ("terminate", "kill"):
        assert where(daemon, A) == held
        leads_to(socks, held, A)
        assert daemon.ask("socketmap", "m9.example") == (TEMP, IN_USE)
        assert daemon.ask("socketmap", f"x@{onion(2000)}") == (TEMP, IN_USE)
        restart(daemon, end)


def test_nearly_full(lab, socks):
    """A warning for each share, once."""
    daemon = bridged(lab, socks, bridge_addresses=40)
    for i in range(7):
        where(daemon, onion(i))
    assert warnings(daemon) == []
    for i in range(7, 10):
        where(daemon, onion(i))
    text = "80 % of the addresses for recipients at .onion names are in use"
    assert len(warnings(daemon)) == 1 and text in warnings(daemon)[0]


# The configuration

FAULTS = {
    'bridge_network = "10.0.0.0/16"': "a net of 127.0.0.0/8",
    'bridge_network = "126.0.0.0/16"': "a net of 127.0.0.0/8",
    'bridge_network = "127.0.0.0/8"': "a prefix from 9 to 30",
    'bridge_network = "127.42.0.0/31"': "a prefix from 9 to 30",
    'bridge_network = "127.42.0.0/32"': "a prefix from 9 to 30",
    'bridge_network = "127.42.0.0/99"': "a prefix from 9 to 30",
    'bridge_network = "127.42.0.0/160"': "a prefix from 9 to 30",
    'bridge_network = "127.42.0.0/-16"': "a prefix from 9 to 30",
    'bridge_network = "127.42.0.0/+16"': "a prefix from 9 to 30",
    'bridge_network = "127.42.0.0/ 16"': "a prefix from 9 to 30",
    'bridge_network = "127.42.0.0/"': "a prefix from 9 to 30",
    'bridge_network = "127.42.0.0"': "a prefix from 9 to 30",
    'bridge_network = "127.42.0.1/16"': "a net of 127.0.0.0/8",
    'bridge_network = "127.42.1.0/16"': "a net of 127.0.0.0/8",
    'bridge_network = "127.42.0/16"': "a net of 127.0.0.0/8",
    'bridge_network = "127.042.0.0/16"': "a net of 127.0.0.0/8",
    'bridge_network = "127.42.0.0/16 "': "a net of 127.0.0.0/8",
    'bridge_network = "::1/64"': "a net of 127.0.0.0/8",
    'bridge_network = "localhost"': "a net of 127.0.0.0/8",
    'bridge_network = ""': "a net of 127.0.0.0/8",
    "bridge_port = 25": "isn't 25",
    "bridge_port = 0": "from 1 to 65535",
    "bridge_port = -1": "from 1 to 65535",
    "bridge_port = 65536": "from 1 to 65535",
    "bridge_addresses = 0": "a number from 1",
    "bridge_addresses = -1": "a number from 1",
    "bridge_reuse = 4": "a number of days from 5 to 3650",
    "bridge_reuse = 3651": "a number of days from 5 to 3650",
    "bridge_isolation = circuits": ": none, onion or domain",
    'socks = {"tor.example:9050"}': "socks",
    'socks = {"unix:/run/tor/socks"}': "socks",
    'socks = {"127.0.0.1:0"}': "socks",
    "socks = {" + ", ".join(f'"127.0.0.1:{i}"' for i in range(1, 10)) + "}": "at most 8",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults(lab, fault):
    daemon = make_bridged(lab)
    for name in ("bridge_network", "bridge_port", "socks"):
        del daemon.settings[name]
    daemon.write_config()
    text = daemon.config.read_text()
    daemon.config.write_text("# one\n" + fault + "\n" + text)
    args = [*ONIONMXD, "-t", "-c", daemon.config]
    done = subprocess.run(args, capture_output=True, text=True, timeout=20)
    place = re.escape(str(daemon.config))
    assert done.returncode == 1, done
    assert re.search(rf"^{place}:2:\d+: .*{re.escape(FAULTS[fault])}", done.stderr, re.M)


@pytest.mark.parametrize("prefix", [9, 30])
def test_ranges_at_their_limits(lab, prefix):
    daemon = make_bridged(lab, bridge_network=f"127.128.0.0/{prefix}", socks=["127.0.0.1"])
    args = [*ONIONMXD, "-t", "-c", daemon.config]
    assert subprocess.run(args, timeout=20).returncode == 0


NEEDS = {"a state_dir": {"state_dir": ""}, "a tor in socks": {"socks": []}}


@pytest.mark.parametrize("what", NEEDS)
def test_what_it_needs(lab, what):
    daemon = make_bridged(lab, **NEEDS[what])
    args = [*ONIONMXD, "-t", "-c", daemon.config]
    done = subprocess.run(args, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and f"answer = bridge needs {what}\n" in done.stderr


def test_without_a_listener_of_the_bridge(lab, state):
    """There is no bridge."""
    daemon = lab.daemon(state_dir=str(state), map=f"x.example {A}\n", socks=[])
    assert daemon.ask("socketmap", "x.example").hosts() == [A]
    assert not (state / "bridge").exists()
