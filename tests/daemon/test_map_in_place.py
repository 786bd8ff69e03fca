"""The map is written to in place. It is not to be done, and nothing comes of it but that a
damaged file isn't taken: every answer is that of a whole map. DNS says NXDOMAIN to all, so
a domain that isn't found is a "no"."""

import os
import random
import signal
import subprocess

import pytest

from harness import behaviours as does
from harness.clients import NONE, ROUTE
from harness.load import Load
from harness.mapfile import compile_map
from harness.onion import onion
from harness.proc import wait_until

# From less than a page to 2 MiB.
SIZES = {"small": 20, "large": 20_000}
PAGE = 4096


def text(version, count):
    names = [onion(f"{version} {i}") for i in range(20)]
    return "".join(f"d{i}.example {names[i % 20]}\n" for i in range(count))


def hosts(version, key):
    return [onion(f"{version} {int(key[1:].split('.')[0]) % 20}")]


class Case:
    def __init__(self, lab, count):
        self.lab, self.count = lab, count
        self.keys = [f"d{i}.example" for i in range(0, count, count // 20)]
        dns = lab.dns()
        for key in self.keys:
            dns.on(key, does.nxdomain(ttl=0, minimum=0))
        self.path = lab.dir / "domains.cdb"
        self.daemon = lab.daemon(dns=dns, map=text("old", count), min_ttl=0)

    def load(self):
        return Load(self.daemon, ["tcp_table", "socketmap"], self.keys)

    def serves(self, version):
        value = f"smtptor:[{hosts(version, self.keys[-1])[0]}]:25"
        return self.daemon.ask("tcp_table", self.keys[-1]) == (ROUTE, value)

    def loads(self):
        return self.daemon.counted("map_loads")

    def failures(self):
        return self.daemon.counted("map_load_failures")

    def reload(self):
        """Tells it to look now, and waits until it has. Was the file taken?"""
        loads, failures = self.loads(), self.failures()
        self.daemon.signal(signal.SIGHUP)
        wait_until(lambda: self.loads() + self.failures() > loads + failures, "a look")
        return self.loads() > loads

    def damage_is_seen(self):
        wait_until(lambda: self.failures() > 0, "the fault to be seen")

    def recovers(self):
        self.lab.map(text("new", self.count))
        self.daemon.signal(signal.SIGHUP)
        wait_until(lambda: self.serves("new"), "the new map")


@pytest.fixture(params=SIZES)
def case(lab, request):
    return Case(lab, SIZES[request.param])


@pytest.fixture
def large(lab):
    return Case(lab, SIZES["large"])


def check(load, *versions):
    for record in load.records:
        assert record.error is None and record.answer.outcome == ROUTE, record
        allowed = [hosts(version, record.key) for version in versions]
        assert record.answer.hosts() in allowed, record


@pytest.mark.parametrize("left", ["0", "100", "2048", "3000", "half", "all but one"])
def test_truncated(case, left):
    data = case.path.read_bytes()
    sizes = {"half": len(data) // 2, "all but one": len(data) - 1}
    with case.load() as load:
        load.progress(40)
        os.truncate(case.path, sizes.get(left) or int(left))
        load.progress(100)
        case.damage_is_seen()
        load.progress(40)
    check(load, "old")
    loads = case.loads()
    case.path.write_bytes(data)
    wait_until(lambda: case.loads() > loads, "the whole map again")
    case.recovers()


@pytest.mark.parametrize("byte", [0x00, 0xFF, 0x78])
def test_overwritten(case, byte):
    size = case.path.stat().st_size
    with case.load() as load:
        load.progress(40)
        with open(case.path, "r+b") as file:
            file.write(bytes([byte]) * size)
        load.progress(100)
        case.damage_is_seen()
        load.progress(40)
    check(load, "old")
    case.recovers()


def test_another_map_copied_over_it(case):
    """cp new.cdb domains.cdb: right in the end."""
    new = case.lab.dir / "new.cdb"
    case.lab.map(text("new", case.count)).rename(new)
    case.lab.map(text("old", case.count))
    loads = case.loads()
    wait_until(lambda: case.loads() > loads, "the map's return")
    with case.load() as load:
        load.progress(40)
        with open(case.path, "r+b") as file:
            file.truncate()
            file.write(new.read_bytes())
        wait_until(lambda: case.serves("new"), "the new map")
        load.progress(40)
    check(load, "old", "new")


def test_appended_to(case):
    with case.load() as load:
        load.progress(40)
        with open(case.path, "ab") as file:
            file.write(b"more")
        case.damage_is_seen()
        load.progress(40)
    check(load, "old")
    case.recovers()


def test_it_grows_all_the_time(case):
    """Never taken as long as that goes on, and a good one afterwards."""
    with case.load() as load, open(case.path, "ab", buffering=0) as file:
        while case.failures() == 0:
            file.write(b"x")
        load.progress(40)
    check(load, "old")
    case.recovers()


def test_zeroed_pages(large):
    """Each page of the hash tables and some of the records."""
    data = large.path.read_bytes()
    pages = range(0, len(data), PAGE * 11)
    with large.load() as load:
        for at in pages:
            piece = bytes(min(PAGE, len(data) - at))
            large.path.write_bytes(data[:at] + piece + data[at + len(piece) :])
            assert not large.reload(), at
    check(load, "old")
    assert "warning" in large.daemon.output()
    large.recovers()


def test_half_of_another_map(large):
    """Of the same shape: each entry is a good one, of the one map or of the other."""
    old = large.path.read_bytes()
    new = compile_map(text("new", large.count), large.lab.dir / "new.cdb").read_bytes()
    assert len(old) == len(new)
    with large.load() as load:
        for eighth in range(1, 8):
            at = len(old) * eighth // 8
            for a, b in ((old, new), (new, old)):
                large.path.write_bytes(a[:at] + b[at:])
                taken = large.reload()
                # Behind the last entry all is the same.
                assert taken == (a[:at] + b[at:] in (old, new)), at
    check(load, "old", "new")
    large.recovers()


def test_a_map_of_another_program(lab):
    """It has no checksum; the log says so once."""
    path = lab.dir / "domains.cdb"
    source = lab.dir / "text"
    daemon = None
    for i in range(3):
        source.write_text(f"a.example {onion(i)}\n")
        subprocess.run(["cdb", "-c", "-m", "-t", lab.dir / "tmp", path, source], check=True)
        daemon = daemon or lab.daemon(map=path)
        wait_until(lambda: daemon.ask("socketmap", "a.example").hosts() == [onion(i)], "it")
    assert daemon.output().count("no checksum") == 1
    lab.map(f"a.example {onion(3)}\n")
    wait_until(lambda: daemon.ask("socketmap", "a.example").hosts() == [onion(3)], "it")
    assert daemon.output().count("no checksum") == 1


def test_wrong_bits(large):
    data = large.path.read_bytes()
    rng = random.Random(4)
    with large.load() as load:
        for at in rng.sample(range(len(data)), 40):
            bad = bytearray(data)
            bad[at] ^= 1 << rng.randrange(8)
            large.path.write_bytes(bad)
            assert not large.reload(), at
    check(load, "old")
    large.recovers()


def test_a_name_that_it_had_nothing_for(lab):
    """What the cache knows to be in no map isn't looked up in it again. A new entry is
    noticed all the same, though nobody asks for another name."""
    dns = lab.dns()
    dns.on("new.example", does.nxdomain())
    daemon = lab.daemon(dns=dns, map=text("old", SIZES["large"]))
    for _ in range(5):
        assert daemon.ask("tcp_table", "new.example").outcome == NONE
    other = f"{text('old', SIZES['large'])}new.example {onion('new')}\n"
    compiled = compile_map(other, lab.dir / "after.cdb")
    (lab.dir / "domains.cdb").write_bytes(compiled.read_bytes())

    def is_there():
        answer = daemon.ask("tcp_table", "new.example")
        assert answer.outcome in (NONE, ROUTE), answer
        return answer.outcome == ROUTE and answer.hosts() == [onion("new")]

    wait_until(is_there, "the new entry")
