"""The commands of onionmap: what they take, what they say, what they return."""

import random
import struct
import subprocess

import pytest
from harness.onion import mistyped, onion
from maptool import (
    CHECKSUM,
    all_records,
    make_cdb,
    ONIONMAP,
    USUAL,
    USUAL_RECORDS,
    cdb_query,
    check,
    compile_text,
    errors,
    good_map,
    names,
    onionmap,
    records,
)

A, B = onion("a"), onion("b")

# The command line


@pytest.mark.parametrize(
    "args", [["--help"], ["-h"], ["compile", "-h"], ["dump", "--help"]]
)
def test_help(args):
    result = onionmap(*args)
    assert result.status == 0
    assert result.out.startswith("usage: onionmap compile")
    assert all(len(line) <= 85 for line in result.out.splitlines())


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(option):
    result = onionmap(option)
    assert result.status == 0
    assert result.out.startswith("onionmap ")


COMMANDS = "compile, check, query, dump, explain, pin or counters"
PIN = "expected list, held or accept DOMAIN"


@pytest.mark.parametrize(
    "line, message",
    [
        ("", f"a command is missing: expected {COMMANDS}"),
        ("nonsense", f"unknown command nonsense: expected {COMMANDS}"),
        ("--nonsense", "unknown option --nonsense"),
        ("-x compile a", "unknown option -x"),
        ("compile", "compile: an argument is missing"),
        ("compile a b", "compile: unexpected argument b"),
        ("compile -o x a b", "compile: unexpected argument b"),
        ("compile -", "compile: standard input needs -o OUT.cdb"),
        ("compile -o", "compile: option -o needs a value"),
        ("compile a --output", "compile: option --output needs a value"),
        ("compile a --help=x", "compile: unknown option --help=x"),
        ("compile a -hx", None),
        ("compile a -s x", "compile: unknown option -s"),
        ("compile a --socket x", "compile: unknown option --socket"),
        ("check", "check: an argument is missing"),
        ("check -o x y", "check: unknown option -o"),
        ("check x --output=y", "check: unknown option --output"),
        ("query map.cdb", "query: an argument is missing"),
        ("dump", "dump: an argument is missing"),
        ("dump a b", "dump: unexpected argument b"),
        ("explain", "explain: an argument is missing"),
        ("counters x", "counters: unexpected argument x"),
        ("pin", "pin: an argument is missing"),
        ("pin nonsense", f"pin: unexpected argument nonsense: {PIN}"),
        ("pin list x", f"pin: unexpected argument x: {PIN}"),
        ("pin accept", "pin accept: a domain is missing"),
        ("pin accept a b", "pin: unexpected argument b"),
    ],
)
def test_wrong_usage(line, message, tmp_path):
    result = onionmap(*line.split(), cwd=tmp_path)
    if message is None:  # help is asked for first
        assert result.status == 0
        return
    assert result.status == 2 and result.out == ""
    first, *rest = result.err.splitlines()
    assert first == f"onionmap: {message}"
    assert all(text.startswith(("usage: onionmap ", "try: ")) for text in rest)
    assert names(tmp_path) == []


def test_options_behind_operands(tmp_path):
    (tmp_path / "d.txt").write_text(USUAL)
    for args in (["d.txt", "-o", "x"], ["d.txt", "--output=x"], ["d.txt", "-ox", "--"]):
        assert onionmap("compile", *args, cwd=tmp_path).status == 0
        assert names(tmp_path) == ["d.txt", "x"]
        (tmp_path / "x").unlink()
    result = onionmap("explain", "example.org", "-s", tmp_path / "none")
    assert result.status == 3 and str(tmp_path / "none") in result.err


def test_an_operand_that_begins_like_an_option(tmp_path):
    path = good_map(tmp_path, USUAL)
    assert onionmap("query", path, "-x@example.org").status == 2
    result = onionmap("query", path, "--", "-x@example.org")
    assert result.status in (0, 1) and result.err == ""


# Compiling


def test_what_a_text_becomes(tmp_path):
    path = good_map(tmp_path, USUAL)
    assert records(path) == USUAL_RECORDS
    for key, value in USUAL_RECORDS:
        assert cdb_query(path, key) == value
    assert names(tmp_path) == ["domains.cdb", "domains.txt"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("domains.txt", "domains.cdb"),
        ("domains", "domains.cdb"),
        ("domains.map", "domains.map.cdb"),
        (".txt", ".txt.cdb"),
    ],
)
def test_name_of_the_map(text, expected, tmp_path):
    (tmp_path / text).write_text(USUAL)
    assert onionmap("compile", tmp_path / text).status == 0
    assert names(tmp_path) == sorted([text, expected])
    (tmp_path / expected).unlink()
    assert onionmap("compile", text, cwd=tmp_path).status == 0
    assert names(tmp_path) == sorted([text, expected])


def test_output_elsewhere(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "d.txt").write_text(USUAL)
    there = tmp_path / "there" / "other"
    for options in (["-o", there], [f"--output={there}"], ["-o", there, "--"]):
        assert onionmap("compile", *options, tmp_path / "d.txt").status == 0
        assert names(tmp_path / "there") == ["other"]
        assert records(there) == USUAL_RECORDS
        there.unlink()


def test_input_from_a_pipe(tmp_path):
    out = tmp_path / "m.cdb"
    assert onionmap("compile", "-o", out, "-", stdin=USUAL.encode()).status == 0
    assert records(out) == USUAL_RECORDS
    result = onionmap("compile", "-o", out, "/dev/stdin", stdin=USUAL.encode())
    assert result.status == 0, result
    assert records(out) == USUAL_RECORDS


def test_standard_input_is_read_from_where_it_stands(tmp_path):
    (tmp_path / "d.txt").write_text("this is no map\n" + USUAL)
    out = tmp_path / "m.cdb"
    with open(tmp_path / "d.txt", "rb", buffering=0) as text:
        text.seek(len("this is no map\n"))
        subprocess.run([*ONIONMAP, "compile", "-o", out, "-"], stdin=text, check=True)
    assert records(out) == USUAL_RECORDS


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "   ", "\ufeff"])
def test_an_empty_text_is_an_empty_map(text, tmp_path):
    path, result = compile_text(tmp_path, text)
    assert result.status == 0
    assert "warning: no entries" in result.err
    assert path.stat().st_size == 2048 + 24 + len(CHECKSUM) + len("0 ") + 16
    assert records(path) == []
    assert onionmap("dump", path).out == ""
    assert onionmap("query", path, "example.org").status == 1


@pytest.mark.parametrize(
    "text",
    [
        f"a.example {A}",
        f"a.example {A}\r\n",
        f"\ufeffa.example {A}\n",
        f"\ufeff# windows\r\na.example {A}\r\n",
        f"\n\n a.example. {A}.  \n\n",
        f"A.EXAMPLE {A}:25#comment",
    ],
)
def test_how_a_line_may_be_written(text, tmp_path):
    assert records(good_map(tmp_path, text)) == [("a.example", A)]


def test_it_is_what_cdb_writes(tmp_path):
    """For the same records, byte for byte."""
    path = good_map(tmp_path, USUAL + "".join(f"d{i}.example -\n" for i in range(3000)))
    pairs = [(key.encode(), value.encode()) for key, value in all_records(path)]
    assert make_cdb(tmp_path / "theirs.cdb", pairs).read_bytes() == path.read_bytes()


def siphash13(k0, k1, data):
    """By the paper, not by ours."""
    mask = (1 << 64) - 1

    def rotl(x, b):
        return (x << b | x >> (64 - b)) & mask

    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D]
    v += [k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & mask
            v[2] = (v[2] + v[3]) & mask
            v[1], v[3] = rotl(v[1], 13) ^ v[0], rotl(v[3], 16) ^ v[2]
            v[0] = rotl(v[0], 32)
            v[2] = (v[2] + v[1]) & mask
            v[0] = (v[0] + v[3]) & mask
            v[1], v[3] = rotl(v[1], 17) ^ v[2], rotl(v[3], 21) ^ v[0]
            v[2] = rotl(v[2], 32)

    data += bytes(-(len(data) + 1) % 8) + bytes([len(data) % 256])
    for (word,) in struct.iter_unpack("<Q", data):
        v[3] ^= word
        rounds(1)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(3)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def test_the_checksum(tmp_path):
    *entries, (key, value) = all_records(good_map(tmp_path, USUAL))
    total = 0
    for name, targets in entries:
        total = siphash13(total, len(name) << 32 | len(targets), (name + targets).encode())
    assert (key, value) == (CHECKSUM, f"{len(entries)} {total:016x}")


def test_the_checksum_is_no_entry(tmp_path):
    path = good_map(tmp_path, USUAL)
    for key in (CHECKSUM, CHECKSUM.lower(), f"x@{CHECKSUM}", f"mx:{CHECKSUM}"):
        result = onionmap("query", path, key)
        assert (result.status, result.out) == (1, f"{key}\tnot found: no domain\n")


def test_the_same_text_gives_the_same_bytes(tmp_path):
    first = good_map(tmp_path, USUAL).read_bytes()
    assert good_map(tmp_path, USUAL).read_bytes() == first


def test_as_many_targets_as_there_may_be(tmp_path):
    """The longest value of all: 16 names of 253 bytes with ports of five digits."""
    below = ".".join(["x" * 63, "y" * 63, "z" * 62]) + "."
    hosts = [(below + onion(i))[-253:] for i in range(16)]
    assert {len(host) for host in hosts} == {253}
    value = ", ".join(f"{host}:{65520 + i}" for i, host in enumerate(hosts))
    key = ".".join(["k" * 63] * 3 + ["l" * 61])
    path = good_map(tmp_path, f"{key} {value}\n.{key} {value}\n")
    assert records(path) == [(key, value), ("." + key, value)]
    assert onionmap("query", path, key).out == f"{key}\t{value}\t{key}\n"
    result = onionmap("query", path, "x." + key)
    assert result.out == f"x.{key}\tnot found: no domain\n"
    assert onionmap("dump", path).out == f"{key}\t{value}\n.{key}\t{value}\n"


# Errors


@pytest.mark.parametrize(
    "line, column, message",
    [
        ("example.org", 12, "onion name is missing"),
        (f"exa*mple.org {A}", 1, "not a valid domain name"),
        (f"  -bad.org {A}", 3, "not a valid domain name"),
        (f"..example.org {A}", 1, "not a valid domain name"),
        (f". {A}", 1, "not a valid domain name"),
        (f"*.example.org {A}", 1, "not a valid domain name"),
        (f"user@example.org {A}", 1, "not a valid domain name"),
        (f"10.1.2.3 {A}", 1, "not a valid domain name"),
        (f"{A} {A}", 1, ".onion domain always routes to itself"),
        (f"a.org {mistyped(1)}", 7, "wrong checksum"),
        ("a.org abcdefghijklmnop.onion", 7, "version 2"),
        ("a.org mx.a.org", 7, "not a .onion name"),
        ("a.org abc.onion", 7, "56 characters"),
        (f"a.org {A}:0", 70, "a port is a number"),
        (f"a.org {A}:70000", 70, "a port is a number"),
        (f"a.org {A} {B}", 70, "expected a comma"),
        (f"a.org {A},", 70, "onion name is missing"),
        (f"a.org {A}, {A}", 71, "the same target twice"),
        (f"a.org {A}, {A}:25", 71, "the same target twice"),
        (f"a.org -, {A}", 7, "not a .onion name"),
        ("a.org - -", 9, 'nothing can stand after "-"'),
        (f"a.org {A} on_failure=never", 70, "either defer or clearnet"),
        ("a.org srv dnssec=off", 11, "can only be require"),
        ("mx:a.org srv", 10, "needs targets"),
        ("mx:a*b.org -", 1, "not a valid domain name"),
    ],
)
def test_a_wrong_line(line, column, message):
    assert [(n, col) for n, col, _ in check(f"ok.org {A}\n{line}\n")] == [(2, column)]
    assert message in check(line)[0][2]


def test_all_errors_in_one_run_and_the_old_map_stays(tmp_path):
    path = good_map(tmp_path, USUAL)
    before = path.read_bytes(), path.stat()
    text = f"one.org {A}\nt*o.org {A}\nthree.org nix\none.org {A}\none.org -\n"
    _, result = compile_text(tmp_path, text)
    assert result.status == 1
    source = tmp_path / "domains.txt"
    assert errors(result, source) == [
        (2, 1, "not a valid domain name"),
        (3, 11, "not a .onion name"),
        (4, 1, "one.org is already on line 1"),
        (5, 1, "one.org has another route on line 1"),
    ]
    summary = result.err.splitlines()[-1]
    assert summary == f"onionmap: {source}: 4 errors, nothing written"
    after = path.stat()
    assert (path.read_bytes(), after.st_ino, after.st_mtime_ns) == (
        before[0],
        before[1].st_ino,
        before[1].st_mtime_ns,
    )
    assert names(tmp_path) == ["domains.cdb", "domains.txt"]


def test_errors_leave_no_map_where_none_was(tmp_path):
    _, result = compile_text(tmp_path, "nonsense")
    assert result.status == 1
    assert result.err.endswith("1 error, nothing written\n")
    assert names(tmp_path) == ["domains.txt"]


def test_repeats():
    text = f"""a.org {A}, {B}
 A.ORG. {A}:25,{B} # the same
a.org {B}, {A}
.a.org {A}
.a.org {A}
bücher.example {A}
xn--bcher-kva.example {A}:26
a.org -
"""
    assert check(text) == [
        (2, 2, "a.org is already on line 1"),
        (3, 1, "a.org has another route on line 1"),
        (5, 1, ".a.org is already on line 4"),
        (7, 1, "xn--bcher-kva.example has another route on line 6"),
        (8, 1, "a.org has another route on line 1"),
    ]


def test_a_line_may_have_64_kibibytes():
    comment = "#" * (65536 - len(f"a.org {A} "))
    fits = f"a.org {A} {comment}"
    assert check(fits) == check(fits + "\n") == []
    too_long = (1, 65537, "a line has at most 65536 bytes")
    assert check(fits + "#") == check(fits + "#\n") == [too_long]
    for size in (100_000, 262_144, 262_145, 1_000_000):
        text = "x" * size + f"\nb*d.org {A}\n" + "y" * size
        assert check(text) == [
            too_long,
            (2, 1, "not a valid domain name"),
            (3, 65537, too_long[2]),
        ]


def test_nul():
    assert check(f"a.org {A}\n\0\nb.org {A} # \0\n") == [
        (2, 1, "a NUL byte: this is no text"),
        (3, 72, "a NUL byte: this is no text"),
    ]


@pytest.mark.parametrize("size", [65536, 262_144, 524_288])
def test_nul_where_a_read_may_end(size):
    """However the text is cut into pieces."""
    for before in range(size - 3, size + 4):
        for after in (0, 100, 300_000):
            text = "#\n" * (before // 2 - 30) + "#" * (60 + before % 2)
            text += "\0" + "#" * (after % 1000) + "\n" + "#\n" * (after // 2)
            where = (before // 2 - 30 + 1, 61 + before % 2, "a NUL byte: this is no text")
            assert check(text) == [where]


def test_any_bytes_are_only_errors():
    rng = random.Random(1)
    pieces = [A, B, ".onion", "a.org", *" \t,:#-.\n", "25", "\r\n"]
    pieces = [piece.encode() for piece in pieces]
    pieces += [bytes([byte]) for byte in (0, 127, 195, 255)]
    for _ in range(40):
        text = b"".join(rng.choice(pieces) for _ in range(2000))
        for line, column, _ in check(text):
            assert 1 <= line <= text.count(b"\n") + 1
            assert 1 <= column <= len(text)
        check(rng.randbytes(5000))


def test_check_looks_at_all_files_and_writes_nothing(tmp_path):
    for name, text in (("a", f"a.org {A}\n"), ("b", "wrong\n"), ("c", "wrong, too\n")):
        (tmp_path / name).write_text(text)
    before = names(tmp_path)
    good = onionmap("check", "a", cwd=tmp_path)
    assert (good.status, good.out, good.err) == (0, "", "")
    bad = onionmap("check", "c", "a", "none", "b", cwd=tmp_path)
    assert bad.status == 1
    assert bad.err.splitlines() == [
        "c:1:1: not a valid domain name",
        "onionmap: c: 1 error",
        "onionmap: none: No such file or directory",
        "b:1:6: an onion name is missing",
        "onionmap: b: 1 error",
    ]
    assert names(tmp_path) == before


def test_the_same_domain_in_two_files_is_no_error(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(f"a.org {A}\n")
    assert onionmap("check", "a", "b", cwd=tmp_path).status == 0


@pytest.mark.parametrize("what", ["none.txt", "dir"])
def test_text_that_cannot_be_read(what, tmp_path):
    (tmp_path / "dir").mkdir()
    result = onionmap("compile", what, cwd=tmp_path)
    assert result.status == 1
    assert result.err.startswith(f"onionmap: {what}: ")
    assert names(tmp_path) == ["dir"]


def test_standard_streams_may_be_closed(tmp_path):
    """Then no message may end up in the map."""
    (tmp_path / "d.txt").write_text("")
    shell = 'exec "$@" <&- >&- 2>&-'
    # Not within valgrind, which itself can't start like this.
    args = ["sh", "-c", shell, "sh", ONIONMAP[-1], "compile", tmp_path / "d.txt"]
    subprocess.run(args, check=True)
    assert (tmp_path / "d.cdb").stat().st_size == 2048 + 24 + len(CHECKSUM) + len("0 ") + 16
