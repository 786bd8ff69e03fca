"""A map of a million entries."""

import signal
import time

import pytest

from harness.clients import NONE, ROUTE
from harness.crowd import Heartbeat
from harness.load import Load
from harness.mapfile import compile_map
from harness.onion import onion
from harness.proc import MEMORY_SLACK, SLACK, wait_until

COUNT = 1_000_000
SEEDS = 500

MB = 1024 * 1024

# On two quiet cores: 0.5 s, and 10 ms.
READY = 10 * SLACK
LATE = 0.3 * SLACK


def text(version):
    names = [onion(f"{version} {i}") for i in range(SEEDS)]
    return "".join(f"d{i}.example {names[i % SEEDS]}\n" for i in range(COUNT))


def hosts(version, domain):
    i = int(domain[1:].split(".")[0])
    return [onion(f"{version} {i % SEEDS}")]


def reload_under_load(lab, daemon, keys):
    """The answers that began while the new map was being loaded, and for how long the
    machine itself held this process up."""
    new = compile_map(text("new"), lab.dir / "new.cdb")
    loads = daemon.counted("map_loads")
    with Load(daemon, ["tcp_table", "socketmap"], keys) as load:
        load.progress(100)
        with Heartbeat(daemon.pid) as heartbeat:
            began = time.monotonic()
            new.rename(lab.dir / "domains.cdb")
            wait_until(lambda: daemon.counted("map_loads") > loads, "the new map")
            load.progress(50)
    print(f"taken after {time.monotonic() - began:.3f} s")
    return load.since(began), heartbeat.longest


@pytest.mark.timeout(120 * SLACK)
def test_a_million_entries(lab):
    keys = [f"d{i}.example" for i in range(0, COUNT, COUNT // 50 - 1)]
    keys.append(f"d{COUNT - 1}.example")
    path = lab.map(text("old"))
    size = path.stat().st_size
    began = time.monotonic()
    daemon = lab.daemon(map=path)
    took = time.monotonic() - began
    print(f"ready after {took:.3f} s")
    assert took < READY
    for key in keys:
        assert daemon.ask("socketmap", key).hosts() == hosts("old", key)
    assert daemon.memory() < size + 20 * MB * MEMORY_SLACK

    records, held_up = reload_under_load(lab, daemon, keys)
    for record in records:
        assert record.error is None and record.answer.outcome == ROUTE, record
        allowed = [hosts("old", record.key), hosts("new", record.key)]
        assert record.answer.hosts() in allowed
    longest = max(record.ended - record.began for record in records)
    print(f"{len(records)} answers, the longest after {longest * 1000:.1f} ms; "
          f"the machine: {held_up * 1000:.1f} ms")
    assert longest < held_up + LATE
    for key in keys:
        assert daemon.ask("tcp_table", key).hosts() == hosts("new", key)
    assert daemon.counter("map_load_failures") == 0
    wait_until(
        lambda: daemon.memory() < size + 20 * MB * MEMORY_SLACK, "the old one to go"
    )
    assert daemon.ask("tcp_table", "user@[127.0.0.1]").outcome == NONE


@pytest.mark.timeout(120 * SLACK)
def test_it_ends_while_a_map_is_loaded(lab):
    """At once, and whole: no thread is left behind, and nothing of it."""
    path = lab.map(text("old"))
    daemon = lab.daemon(map=path)
    for _ in range(5):
        path.touch()
        daemon.hang_up()
        began = time.monotonic()
        for _ in range(3):
            daemon.signal(signal.SIGHUP)
        daemon.terminate()
        assert time.monotonic() - began < READY
        daemon.start()
    assert daemon.ask("socketmap", "d0.example").hosts() == hosts("old", "d0.example")
