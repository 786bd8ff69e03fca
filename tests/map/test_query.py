"""Compiled maps, asked and dumped: whole ones, foreign ones and damaged ones."""

import os
import random
import re
import struct
import subprocess

import pytest
from harness.onion import mistyped, onion
from maptool import USUAL, USUAL_RECORDS, good_map, make_cdb, onionmap

A, B, C = onion("a"), onion("b"), onion("c")

REFUSED = "the daemon doesn't take this map:"
LOST = "a record that its key doesn't find"


# Queries


@pytest.fixture
def usual(tmp_path):
    more = f".wild.example {C}\na.wild.example {A}\n.top {B}\n"
    more += f"mx:mx.host.example {A} dnssec=require\nmx:.host.example -\n"
    more += f"policy.example srv  on_failure=clearnet\n"
    return good_map(tmp_path, USUAL + more)


@pytest.mark.parametrize(
    "key, value, found_as",
    [
        ("immerda.ch", A, "immerda.ch"),
        ("Someone@Immerda.CH.", A, "immerda.ch"),
        ('"odd @ part"@immerda.ch', A, "immerda.ch"),
        ("example.org", f"{A}:2525, {B}", "example.org"),
        ("x.y.example.org", B, ".example.org"),
        ("intern.example", "-", "intern.example"),
        ("bücher.example", f"{C}, {A}", "xn--bcher-kva.example"),
        ("a.wild.example", A, "a.wild.example"),
        ("x.a.wild.example", C, ".wild.example"),
        ("very.deep.in.top", B, ".top"),
        ("mx:MX.host.example", f"{A} dnssec=require", "mx:mx.host.example"),
        ("mx:other.host.example", "-", "mx:.host.example"),
        ("u@policy.example", "srv on_failure=clearnet", "policy.example"),
    ],
)
def test_query(usual, key, value, found_as):
    result = onionmap("query", usual, key)
    assert (result.status, result.err) == (0, "")
    assert result.out == f"{key}\t{value}\t{found_as}\n"


@pytest.mark.parametrize(
    "key", ["example.com", "mx.host.example", "mx:host.example", "wild.example", "top", "x.immerda.ch", "xexample.org", "org"]
)
def test_query_not_found(usual, key):
    result = onionmap("query", usual, key)
    assert (result.status, result.out, result.err) == (1, f"{key}\tnot found\n", "")


@pytest.mark.parametrize(
    "key", ["", "*", "@", "user@", "[10.0.0.1]", "a..b", ".example.org", "a b"]
)
def test_query_no_domain(usual, key):
    result = onionmap("query", usual, key)
    assert (result.status, result.out) == (1, f"{key}\tnot found: no domain\n")


def test_query_onion_names(usual):
    result = onionmap("query", usual, A, f"x@mail.{B}")
    assert result.status == 0
    assert result.out == f"{A}\t{A}\nx@mail.{B}\tmail.{B}\n"
    result = onionmap("query", usual, mistyped(1))
    assert result.status == 1
    assert result.out.startswith(f"{mistyped(1)}\tnever deliverable: wrong checksum")


def test_query_many(usual):
    result = onionmap("query", usual, "immerda.ch", "nowhere.org", "intern.example")
    assert result.status == 1
    values = [line.split("\t")[1] for line in result.out.splitlines()]
    assert values == [A, "not found", "-"]


def test_query_output_is_one_line_for_each_key(usual):
    result = onionmap("query", usual, "a\nb\t\x1b[31m@immerda.ch")
    assert result.out == f"a?b??[31m@immerda.ch\t{A}\timmerda.ch\n"


def test_output_that_cannot_be_written(usual):
    with open("/dev/full", "wb") as full:
        assert onionmap("query", usual, "immerda.ch", stdout=full).status == 3
        assert onionmap("dump", usual, stdout=full).status == 1
        assert onionmap("--help", stdout=full).status == 1


# Dumps


def test_a_dump_compiles_to_the_same_map(tmp_path):
    path = good_map(tmp_path, USUAL)
    result = onionmap("dump", path)
    assert (result.status, result.err) == (0, "")
    assert result.out == "".join(f"{key}\t{value}\n" for key, value in USUAL_RECORDS)
    again = good_map(tmp_path, result.out, "again")
    assert again.read_bytes() == path.read_bytes()


def test_a_large_dump_compiles_to_the_same_map(tmp_path):
    rng = random.Random(2)
    lines = []
    for i in range(3000):
        hosts = rng.sample(range(50), rng.randint(0, 3))
        ports = rng.choices([25, 2525, 1, 65535], k=len(hosts))
        targets = ", ".join(f"{onion(h)}:{p}" for h, p in zip(hosts, ports)) or "-"
        lines.append(f"{rng.choice(['', '.'])}d{i}.example {targets}\n")
    path = good_map(tmp_path, "".join(lines))
    again = good_map(tmp_path, onionmap("dump", path).out, "again")
    assert again.read_bytes() == path.read_bytes()


def test_a_map_of_another_program(tmp_path):
    """What onionmap wouldn't write is told, and what can be used is used."""
    path = make_cdb(
        tmp_path / "m.cdb",
        [
            (b"a.org", A.encode()),
            (b"Upper.org", A.encode()),
            (b"b.org", b"mx.b.org"),
            (b"c.org", mistyped(1).encode()),
            (b"a.org", B.encode()),
            (b"", A.encode()),
            (b"d.org", b""),
            (b"e#.org", A.encode()),
            (b"f.org", A.encode() + b"\nx.org\t-"),
            (b"g.org\t-\nh.org", b"-"),
            (b"i.org", b"-"),
            (b"x" * 300, b"-"),
            (b"j.org", b"x" * 10000),
        ],
    )
    result = onionmap("dump", path)
    assert result.status == 1
    assert result.out == f"a.org\t{A}\ni.org\t-\n"
    assert result.err.count("is damaged, or no map entry\n") == 10
    assert result.err.count("is left out: ") == 1
    assert onionmap("query", path, "a.org").out == f"a.org\t{A}\ta.org\n"
    result = onionmap("query", path, "i.org", "b.org", "none.org")
    assert result.status == 3
    assert result.out == "i.org\t-\ti.org\nnone.org\tnot found\n"
    assert result.err == (
        f"onionmap: {path}: the record of b.org is damaged\n"
        f"onionmap: {path}: the daemon doesn't take this map: "
        "a record that is no map entry\n"
    )


def slot_of(data, position):
    """Where in a hash table a record's slot is."""
    (first,) = struct.unpack_from("<I", data)
    for at in range(first, len(data), 8):
        if struct.unpack_from("<I", data, at + 4)[0] == position:
            return at
    raise AssertionError


def test_a_map_that_has_lost_a_slot(tmp_path):
    """No answer but those that the map can be trusted for: none."""
    path = good_map(tmp_path, USUAL)
    bad = bytearray(path.read_bytes())
    at = slot_of(bad, 2048)
    bad[at : at + 8] = bytes(8)
    path.write_bytes(bad)
    result = onionmap("query", path, "intern.example")
    assert result.status == 3
    assert result.err == f"onionmap: {path}: {REFUSED} {LOST}\n"
    result = onionmap("dump", path)
    assert result.status == 1
    assert "the record at 2048 is damaged: its key doesn't find it\n" in result.err


def test_half_of_another_map(tmp_path):
    """Each record is a good one, and the structure is the same."""
    texts = ["".join(f"d{i}.example {host}\n" for i in range(100)) for host in (A, B)]
    a, b = (good_map(tmp_path, text, f"m{i}") for i, text in enumerate(texts))
    half = 2048 + 50 * (8 + len("d10.example") + len(A)) - 10
    path = tmp_path / "m.cdb"
    path.write_bytes(a.read_bytes()[:half] + b.read_bytes()[half:])
    result = onionmap("query", path, "d0.example", "d99.example")
    assert result.out == f"d0.example\t{A}\td0.example\nd99.example\t{B}\td99.example\n"
    said = f"onionmap: {path}: {REFUSED} wrong checksum\n"
    assert (result.status, result.err) == (3, said)
    result = onionmap("dump", path)
    assert (result.status, result.err) == (1, said)


def test_another_program_copies_a_map(tmp_path):
    path = good_map(tmp_path, USUAL)
    text = subprocess.run(["cdb", "-d", path], check=True, capture_output=True).stdout
    subprocess.run(["cdb", "-c", tmp_path / "copy"], input=text, check=True)
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()
    lines = subprocess.run(["cdb", "-d", "-m", path], check=True, capture_output=True)
    assert all(byte in b"\n" or 32 <= byte < 127 for byte in lines.stdout)


@pytest.mark.parametrize(
    "content", [b"", b"x" * 100, b"\0" * 2048, b"\xff" * 5000, USUAL.encode() * 50]
)
def test_what_is_no_map(content, tmp_path):
    path = tmp_path / "m.cdb"
    path.write_bytes(content)
    assert onionmap("query", path, "a.org").status == 3
    result = onionmap("dump", path)
    assert result.status == 1
    assert result.err == f"onionmap: {path}: damaged, or not a cdb file\n"


@pytest.mark.parametrize("what", ["none", "dir", "fifo"])
def test_map_that_cannot_be_read(what, tmp_path):
    (tmp_path / "dir").mkdir()
    os.mkfifo(tmp_path / "fifo")
    assert onionmap("query", tmp_path / what, "a.org").status == 3
    assert onionmap("dump", tmp_path / what).status == 1


def test_a_map_that_was_cut_off(tmp_path):
    path = good_map(tmp_path, USUAL)
    whole = path.read_bytes()
    for size in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:size])
        result = onionmap("query", path, "immerda.ch")
        assert (result.status, result.out) == (3, "")
        assert onionmap("dump", path).status == 1
    path.write_bytes(whole + b"\0")
    assert onionmap("dump", path).status == 1


def test_a_map_with_a_wrong_bit(tmp_path):
    """Whatever bit it is."""
    path = good_map(tmp_path, USUAL)
    whole = path.read_bytes()
    rng = random.Random(3)
    for _ in range(150):
        bad = bytearray(whole)
        first = rng.choice([0, 2048])
        bad[rng.randrange(first, len(bad))] ^= 1 << rng.randrange(8)
        path.write_bytes(bad)
        result = onionmap("dump", path)
        assert result.status == 1 and result.err
        result = onionmap("query", path, "immerda.ch", "example.org", "x.example.org")
        assert result.status == 3
