"""The map changes while mail servers ask. The daemon looks about once a second."""

import os
import signal
import struct

import pytest

from harness import behaviours as does
from harness.clients import NONE, ROUTE
from harness.load import Load
from harness.onion import onion
from harness.proc import wait_until


def text(version, count=20):
    lines = [f"d{i}.example {onion(f'{version} {i}')}" for i in range(count)]
    return "\n".join(lines) + "\n"


KEYS = [f"d{i}.example" for i in range(20)]


@pytest.fixture
def daemon(lab):
    """DNS says NXDOMAIN to all that isn't pinned."""
    dns = lab.dns()
    for key in [*KEYS, "new.example"]:
        dns.on(key, does.nxdomain(ttl=0, minimum=0))
    return lab.daemon(dns=dns, map=text("old"), min_ttl=0)


def serves(daemon, version):
    value = f"smtptor:[{onion(f'{version} 0')}]:25"
    return daemon.ask("tcp_table", KEYS[0]) == (ROUTE, value)


def failures(daemon, count):
    wait_until(
        lambda: daemon.counter("map_load_failures") >= count, "the fault to be seen"
    )


def test_replaced_by_rename(lab, daemon):
    assert serves(daemon, "old")
    lab.map(text("new"))
    wait_until(lambda: serves(daemon, "new"), "the new map")
    assert daemon.counter("map_loads") == 2


def test_replaced_under_load(lab, daemon):
    """Every answer is that of one map or the other."""
    with Load(daemon, ["tcp_table", "socketmap"], KEYS) as load:
        load.progress(100)
        lab.map(text("new"))
        wait_until(lambda: serves(daemon, "new"), "the new map")
        load.progress(100)
    versions = set()
    for record in load.records:
        assert record.error is None and record.answer.outcome == ROUTE, record
        i = record.key[1:].split(".")[0]
        version = {onion(f"{v} {i}"): v for v in ("old", "new")}
        versions.add(version[record.answer.hosts()[0]])
    assert versions == {"old", "new"}


def test_hangup_reloads_at_once(lab, daemon):
    """Even if nothing seems to have changed."""
    loads = daemon.counter("map_loads")
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: daemon.counter("map_loads") > loads, "the reload")
    lab.map(text("new"))
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: serves(daemon, "new"), "the new map")


def test_entries_come_and_go(lab, daemon):
    assert daemon.ask("tcp_table", "new.example").outcome == NONE
    lab.map(f"new.example {onion('new')}\n")
    wait_until(lambda: daemon.ask("tcp_table", "new.example").outcome == ROUTE, "it")
    assert daemon.ask("tcp_table", KEYS[0]).outcome == NONE


def replace(lab, content):
    """Puts a file in the map's place, as onionmap would."""
    path = lab.dir / "other"
    path.write_bytes(content)
    path.rename(lab.dir / "domains.cdb")


def half(data):
    return data[: len(data) // 2]


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def slot_in_use(data):
    """Where the first slot of a hash table is that points to a record."""
    at = min(table for table, length in struct.iter_unpack("<II", data[:2048]))
    while data[at + 4 : at + 8] == bytes(4):
        at += 8
    return at


DAMAGE = {
    "empty": lambda data: b"",
    "half": half,
    "one byte less": lambda data: data[:-1],
    "header only": lambda data: data[:2048],
    "no tables": lambda data: b"\0" * 2048,
    "text": lambda data: b"d0.example x.onion\n" * 500,
    "zeros": lambda data: b"\0" * len(data),
    "ones": lambda data: b"\xff" * len(data),
    "a byte in the header": lambda data: flipped(data, 1000),
    "a byte in a value": lambda data: flipped(data, 2048 + 8 + 10 + 5),
    "a byte in a length": lambda data: flipped(data, 2048 + 1),
    "a hash in a table": lambda data: flipped(data, slot_in_use(data)),
    "a position in a table": lambda data: flipped(data, slot_in_use(data) + 4),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_map(lab, daemon, damage):
    """The old one stays in force, and a good one is taken afterwards."""
    good = (lab.dir / "domains.cdb").read_bytes()
    with Load(daemon, ["socketmap"], KEYS) as load:
        replace(lab, DAMAGE[damage](good))
        failures(daemon, 1)
        load.progress(40)
    for record in load.records:
        i = record.key[1:].split(".")[0]
        assert record.answer.hosts() == [onion(f"old {i}")], record
    assert "warning" in daemon.output()
    lab.map(text("new"))
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: serves(daemon, "new"), "the new map")


def test_a_map_that_has_become_too_large(lab):
    path = lab.map(text("old"))
    daemon = lab.daemon(map=path, map_max_bytes=path.stat().st_size)
    lab.map(text("new", 21))
    failures(daemon, 1)
    assert f"map {path}: larger than map_max_bytes; the old one" in daemon.output()
    assert serves(daemon, "old")
    lab.map(text("new"))
    wait_until(lambda: serves(daemon, "new"), "the new map")


def test_told_again_when_asked(lab, daemon):
    (lab.dir / "domains.cdb").write_bytes(b"")
    failures(daemon, 1)
    for count in (2, 3):
        daemon.signal(signal.SIGHUP)
        failures(daemon, count)
        assert daemon.output().count("warning") == count


def test_many_hangups(lab, daemon):
    """However they fall together with loads, the last map is in force in the end."""
    for i in range(20):
        lab.map(text(f"v{i}"))
        daemon.signal(signal.SIGHUP)
    wait_until(lambda: serves(daemon, "v19"), "the last map")
    assert daemon.counter("map_load_failures") == 0


def test_deleted_map(lab, daemon):
    (lab.dir / "domains.cdb").unlink()
    failures(daemon, 1)
    assert serves(daemon, "old")
    lab.map(text("new"))
    wait_until(lambda: serves(daemon, "new"), "the new map")


def test_failures_are_logged_once(lab, daemon):
    (lab.dir / "domains.cdb").unlink()
    failures(daemon, 1)
    before = daemon.output().count("warning")
    wait_for_a_look(lab, daemon)
    assert daemon.output().count("warning") == before == 1


def wait_for_a_look(lab, daemon):
    """A new map is seen, so the daemon has looked again since."""
    loads = daemon.counter("map_loads")
    lab.map(text("later"))
    wait_until(lambda: daemon.counter("map_loads") > loads, "a look")


@pytest.mark.parametrize("what", ["directory", "fifo", "link to nothing"])
def test_no_map_at_all(lab, daemon, what):
    path = lab.dir / "domains.cdb"
    path.unlink()
    if what == "directory":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(lab.dir / "nothing")
    failures(daemon, 1)
    assert serves(daemon, "old")


def test_link_to_another_map(lab, daemon):
    """As with versions in directories of their own."""
    other = lab.dir / "v2"
    other.mkdir()
    lab.map(text("new")).rename(other / "domains.cdb")
    (lab.dir / "domains.cdb").symlink_to(other / "domains.cdb")
    wait_until(lambda: serves(daemon, "new"), "the new map")
