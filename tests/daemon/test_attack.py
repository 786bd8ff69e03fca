"""The program of "make attack": it attacks, and tells what it did."""

from pathlib import Path

from attack import attacks, memory
from harness.daemon import ONIONMXD


def test_rows(lab):
    programs = Path(ONIONMXD[-1]).parent / "tests/attack"
    rows = attacks.run(lab, programs, 1, ["nothing", "cold names of a dead zone", "idle"])
    assert len(rows) == 3
    for row in rows:
        assert row.asked > 0 and row.before > 0 and row.most >= row.before
        assert row.attack in row.text()
    quiet, cold, _ = rows
    assert quiet.requests == 0 and quiet.latencies
    assert cold.requests > 0


def test_a_failed_row_is_told():
    row = attacks.Row("x", 1, [0.1] * 95, 100, 1, 2, 3)
    assert row.held and "FAILED" not in row.text()
    for failed in (
        row._replace(latencies=[0.1] * 94),
        row._replace(latencies=[], asked=0),
        row._replace(most=4),
        row._replace(took=61),
    ):
        assert not failed.held and "FAILED" in failed.text()


def test_the_memory_that_is_documented():
    small = memory.bound({"max_lookups": 1, "cache_bytes": 1024}, 0)
    assert memory.default("max_lookups") == 4096
    assert memory.bound({"max_lookups": 2, "cache_bytes": 1024}, 0) - small == 16 * 1024
    assert memory.bound({"max_lookups": 1, "cache_bytes": 2048}, 0) - small == 1536
    assert memory.bound({"max_lookups": 1, "cache_bytes": 1024}, 10) > small


def test_what_the_memory_depends_on_are_numbers():
    limits = [what for what in memory.documented() if " " not in what]
    assert len(limits) > 5
    assert all(memory.default(limit) > 0 for limit in limits)
