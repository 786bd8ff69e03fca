"""A map of a million entries."""

import time

import pytest

from harness.clients import NONE, ROUTE
from harness.load import Load
from harness.onion import onion
from harness.proc import MEMORY_SLACK, SLACK, wait_until

COUNT = 1_000_000
SEEDS = 500

MB = 1024 * 1024


def text(version):
    names = [onion(f"{version} {i}") for i in range(SEEDS)]
    return "".join(f"d{i}.example {names[i % SEEDS]}\n" for i in range(COUNT))


def hosts(version, domain):
    i = int(domain[1:].split(".")[0])
    return [onion(f"{version} {i % SEEDS}")]


@pytest.mark.timeout(120 * SLACK)
def test_a_million_entries(lab):
    keys = [f"d{i}.example" for i in range(0, COUNT, COUNT // 50 - 1)]
    keys.append(f"d{COUNT - 1}.example")
    path = lab.map(text("old"))
    began = time.monotonic()
    daemon = lab.daemon(map=path)
    for key in keys:
        assert daemon.ask("socketmap", key).hosts() == hosts("old", key)
    assert time.monotonic() - began < 3 * SLACK
    # It is mapped, not read.
    assert daemon.memory() < 20 * MB * MEMORY_SLACK

    with Load(daemon, ["tcp_table", "socketmap"], keys, pause=0.005) as load:
        lab.map(text("new"))
        wait_until(
            lambda: daemon.ask("socketmap", keys[0]).hosts() == hosts("new", keys[0]),
            "the new map",
        )
        load.progress(200)
    for record in load.records:
        assert record.error is None and record.answer.outcome == ROUTE, record
        allowed = [hosts("old", record.key), hosts("new", record.key)]
        assert record.answer.hosts() in allowed
    for key in keys:
        assert daemon.ask("tcp_table", key).hosts() == hosts("new", key)
    assert daemon.counter("map_load_failures") == 0
    assert daemon.ask("tcp_table", "user@[127.0.0.1]").outcome == NONE
