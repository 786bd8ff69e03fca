"""Large maps, and what only large maps would meet: hashes that collide, files that end
at 4 GiB. For these a tool is built whose hashes have three bits and whose files end at
100,000 bytes."""

import os
import random
import re
import subprocess
import time
from pathlib import Path

import pytest
from harness.onion import onion
from harness.proc import REPO, SLACK
from maptool import ONIONMAP, compile_text, errors, names, onionmap, records

A, B = onion("a"), onion("b")

SMALL_SIZE = 100_000


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    build = tmp_path_factory.mktemp("build")
    flags = f"-O1 -g -DDUP_HASH_BITS=3 -DCDBFILE_SIZE_MAX={SMALL_SIZE}"
    env = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    subprocess.run(
        ["make", "-s", "-j2", f"B={build}", f"OPT={flags}", f"{build}/onionmap"],
        cwd=REPO,
        env=env,
        check=True,
    )
    return [str(build / "onionmap")]


def with_repeats(rng, n):
    """A text, and the errors that it has."""
    first, lines, expected = {}, [], []
    for number in range(1, n + 1):
        if rng.random() < 0.2:
            lines.append(rng.choice(["", "# comment", "   "]))
            continue
        key = f"{rng.choice(['', '.'])}d{rng.randrange(2 * n)}.example"
        route = rng.choice([A, B])
        lines.append(f"{key} {route}")
        if key not in first:
            first[key] = number, route
            continue
        line, earlier = first[key]
        what = "is already" if route == earlier else "has another route"
        expected.append((number, 1, f"{key} {what} on line {line}"))
    return "\n".join(lines), expected


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("weak", [False, True])
def test_repeats_are_found_whatever_the_hashes(weak, seed, request):
    binary = request.getfixturevalue("small") if weak else ONIONMAP
    text, expected = with_repeats(random.Random(seed), 400)
    result = onionmap("check", "-", stdin=text.encode(), binary=binary)
    assert errors(result, "<stdin>") == expected


def test_colliding_hashes_are_no_repeats(small, tmp_path):
    lines = [(f"d{i}.example", "-") for i in range(300)]
    text = "".join(f"{key} {value}\n" for key, value in lines)
    path, result = compile_text(tmp_path, text, binary=small)
    assert (result.status, result.err) == (0, "")
    assert records(path) == lines


def test_a_map_ends_at_the_limit_of_its_format(small, tmp_path):
    # The checksum is counted with as many digits as it may have.
    most = 24 + len("ONIONMAP:CHECKSUM") + 20 + 1 + 16
    size, lines = 2048 + most, []
    while True:
        key = f"d{len(lines)}.example"
        size += 24 + len(key) + len(A)
        lines.append(f"{key} {A}\n")
        if size > SMALL_SIZE:
            break
    path, result = compile_text(tmp_path, "".join(lines[:-1]), binary=small)
    assert (result.status, result.err) == (0, "")
    last = f"d{len(lines) - 1}.example"
    assert path.stat().st_size == size - 24 - len(last) - len(A) - (20 - len(str(len(lines) - 1)))
    before = path.read_bytes()
    more = "".join(lines) + "more.org -\nwrong\n"
    _, result = compile_text(tmp_path, more, binary=small)
    assert errors(result, tmp_path / "domains.txt") == [
        (len(lines), 1, "the map gets too large: a cdb file ends at 4 GiB"),
        (len(lines) + 2, 6, "an onion name is missing"),
    ]
    assert path.read_bytes() == before
    assert names(tmp_path) == ["domains.cdb", "domains.txt"]


def measured(*args):
    """Status, seconds, and the most memory in MiB. What wait4(2) says of that begins with
    the size of ours."""
    start = time.monotonic()
    child = subprocess.Popen([*ONIONMAP, *args])
    most = 0
    while child.poll() is None:
        status = Path(f"/proc/{child.pid}/status").read_text()
        if "Name:\tonionmap\n" in status and (found := re.search(r"VmHWM:\s*(\d+)", status)):
            most = max(most, int(found[1]))
        time.sleep(0.002)
    return child.returncode, time.monotonic() - start, most / 1024


@pytest.mark.timeout(120 * SLACK)
def test_a_million_lines(tmp_path):
    hosts = [onion(i) for i in range(100)]
    text = tmp_path / "domains.txt"
    with open(text, "w") as out:
        out.writelines(f"d{i}.example.org {hosts[i % 100]}\n" for i in range(1_000_000))
    status, seconds, mebibytes = measured("compile", text)
    assert status == 0
    if SLACK == 1:
        assert seconds < 8
        assert 10 < mebibytes < 50
    path = tmp_path / "domains.cdb"
    result = onionmap("query", path, "d0.example.org", "d999999.example.org")
    assert result.status == 0
    assert onionmap("query", path, "d1000000.example.org").status == 1
    with open(text, "a") as out:
        out.write(f"d4711.example.org {hosts[0]}\n")
    result = onionmap("compile", text)
    assert errors(result, text) == [
        (1_000_001, 1, "d4711.example.org has another route on line 4712")
    ]
