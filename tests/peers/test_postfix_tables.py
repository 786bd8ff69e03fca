"""The tables alone, as "postmap -q" asks them, from the real daemon."""

import subprocess

import pytest

from harness.onion import mistyped, onion
from harness.unbound import DEAD_ZONE

TABLES = ("socketmap", "tcp_table", "socketmap_address", "tcp_table_address")

every_table = pytest.mark.parametrize("table", TABLES)


@pytest.fixture
def world(make_world):
    return make_world()


@pytest.fixture
def query(world, make_postfix):
    """A function of a table and a key: exit status, output, complaint."""
    postfix = make_postfix().configure()

    def query(table, key):
        address = world.daemon.address(table)
        socketmap = table.startswith("socketmap")
        kind = f"socketmap:{address}:onion" if socketmap else f"tcp:{address}"
        done = subprocess.run(
            ["postmap", "-c", postfix.etc, "-q", key, kind],
            capture_output=True,
            encoding="utf-8",
        )
        return done.returncode, done.stdout, done.stderr

    return query


def value(world, table, *targets):
    hosts = (
        f"[{world.virtual(seed) if 'address' in table else onion(seed)}]:{port}"
        for seed, port in targets
    )
    return "smtptor:" + ", ".join(hosts) + "\n"


@every_table
def test_route(world, query, table):
    for key, targets in {
        "user@pinned.example": [("pinned", 25)],
        "User+Ext@Pinned.Example": [("pinned", 25)],
        "pinned.example": [("pinned", 25)],
        '"a@b c%d"@pinned.example': [("pinned", 25)],
        '"a\\"@x.example"@pinned.example': [("pinned", 25)],
        "a b%c@pinned.example": [("pinned", 25)],
        "user@port.example": [("port", 2525)],
        "user@two.example": [("dead", 2525), ("alive", 2526)],
        "user@" + onion("recipient"): [("recipient", 25)],
        "jörg@münchen.example": [("munich", 25)],
        "jörg@xn--mnchen-3ya.example": [("munich", 25)],
    }.items():
        assert query(table, key) == (0, value(world, table, *targets), ""), key


@every_table
def test_none(query, table):
    for key in (
        "*",
        "user@absent.example",
        "user@ignored.example",
        "user@",
        "user@[127.0.0.1]",
        "user@[IPv6:::1]",
        "absent.example",
        '"user@pinned.example"',
    ):
        assert query(table, key) == (1, "", ""), key


@every_table
def test_temp(query, table):
    status, output, complaint = query(table, "user@a." + DEAD_ZONE)
    assert (status, output) == (1, "")
    assert complaint, "an error must not look like not-found"


@every_table
def test_fail(query, table):
    status, output, complaint = query(table, "user@" + mistyped("x"))
    assert (status, complaint) == (0, "")
    assert output.startswith("error:5.4.4 ")


def test_while_tor_is_down(world, query):
    world.tor.kill()
    for table in TABLES:
        status, output, complaint = query(table, "user@pinned.example")
        if "address" in table:
            assert (status, output) == (1, "") and complaint
        else:
            assert (status, output) == (0, value(world, table, ("pinned", 25)))
