"""The map is written to in place. It is not to be done, and nothing worse than a
temporary failure comes of it: never "no" for a domain that it pins, never another
domain's route. DNS says NXDOMAIN to all, so a domain that isn't found is a "no"."""

import os
import signal

import pytest

from harness import behaviours as does
from harness.clients import NONE, ROUTE, TEMP
from harness.load import Load
from harness.mapfile import compile_map
from harness.onion import onion
from harness.proc import wait_until

# The daemon may treat small and large maps differently.
SIZES = {"small": 20, "large": 15000}


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

    def damage_is_seen(self):
        wait_until(
            lambda: self.daemon.counter("map_load_failures") > 0, "the fault to be seen"
        )

    def recovers(self):
        self.lab.map(text("new", self.count))
        self.daemon.signal(signal.SIGHUP)
        wait_until(lambda: self.serves("new"), "the new map")


@pytest.fixture(params=SIZES)
def case(lab, request):
    return Case(lab, SIZES[request.param])


def check(load, *versions):
    for record in load.records:
        assert record.error is None, record
        assert record.answer.outcome in (ROUTE, TEMP), record
        if record.answer.outcome == ROUTE:
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
    case.path.write_bytes(data)
    wait_until(lambda: case.serves("old"), "the old map again")
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
    loads = case.daemon.counter("map_loads")
    wait_until(lambda: case.daemon.counter("map_loads") > loads, "the map's return")
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
        assert answer.outcome in (NONE, TEMP, ROUTE), answer
        return answer.outcome == ROUTE and answer.hosts() == [onion("new")]

    wait_until(is_there, "the new entry")
