"""A map is replaced at once and whole, or it stays as it was."""

import fcntl
import os
import random
import resource
import subprocess
import time

import pytest
from harness.onion import onion
from harness.proc import wait_until
from maptool import ONIONMAP, compile_text, good_map, names, onionmap

A, B = onion("a"), onion("b")
ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="gives files away: only root can")


def many(target, n):
    return "".join(f"d{i}.example {target}\n" for i in range(n))


# Mode and owner


@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o644)])
def test_mode_of_a_new_map(umask, mode, tmp_path):
    path, result = compile_text(tmp_path, f"a.org {A}\n", umask=umask)
    assert result.status == 0
    assert path.stat().st_mode & 0o7777 == mode


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o400])
def test_mode_is_kept(mode, tmp_path):
    path = good_map(tmp_path, f"a.org {A}\n")
    path.chmod(mode)
    old = path.stat()
    good_map(tmp_path, f"a.org {B}\n")
    assert path.stat().st_mode == old.st_mode
    assert path.stat().st_ino != old.st_ino


@needs_root
def test_owner_is_kept(tmp_path):
    path = good_map(tmp_path, f"a.org {A}\n")
    os.chown(path, 4321, 1234)
    path.chmod(0o640)
    good_map(tmp_path, f"a.org {B}\n")
    st = path.stat()
    assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (4321, 1234, 0o640)


@needs_root
def test_an_owner_that_cannot_be_kept_is_an_error(tmp_path):
    path = good_map(tmp_path, f"a.org {A}\n")
    os.chown(path, 4321, 1234)
    before = path.read_bytes()
    powerless = ["setpriv", "--bounding-set=-chown", *ONIONMAP]
    _, result = compile_text(tmp_path, f"a.org {B}\n", binary=powerless)
    assert result.status == 1
    assert "can't keep the owner" in result.err
    assert "Operation not permitted" in result.err
    assert path.read_bytes() == before
    assert names(tmp_path) == ["domains.cdb", "domains.txt"]


# What may be in the way


def test_a_symbolic_link_stays(tmp_path):
    (tmp_path / "real").mkdir()
    real = good_map(tmp_path / "real", f"a.org {A}\n")
    link = tmp_path / "domains.cdb"
    link.symlink_to("real/domains.cdb")
    good_map(tmp_path, f"a.org {B}\n")
    assert link.is_symlink()
    assert B in onionmap("query", real, "a.org").out
    assert names(tmp_path / "real") == ["domains.cdb", "domains.txt"]


def test_a_dangling_link_is_an_error(tmp_path):
    (tmp_path / "domains.cdb").symlink_to("nowhere")
    _, result = compile_text(tmp_path, f"a.org {A}\n")
    assert result.status == 1
    assert names(tmp_path) == ["domains.cdb", "domains.txt"]


@pytest.mark.parametrize(
    "out", ["dir", "fifo", "dir/", ".", "/dev/null", "none/m.cdb", "x" * 255]
)
def test_what_cannot_be_replaced(out, tmp_path):
    (tmp_path / "dir").mkdir()
    os.mkfifo(tmp_path / "fifo")
    result = onionmap("compile", "-o", out, "-", stdin=b"", cwd=tmp_path)
    assert result.status == 1
    assert result.err.startswith(f"onionmap: {out}")
    assert names(tmp_path) == ["dir", "fifo"]
    assert names(tmp_path / "dir") == []


def test_the_text_is_not_overwritten(tmp_path):
    text = tmp_path / "domains.txt"
    text.write_text(f"a.org {A}\n")
    (tmp_path / "other").hardlink_to(text)
    for out in (text, tmp_path / "other"):
        result = onionmap("compile", "-o", out, text)
        assert result.status == 1
        assert "made from" in result.err
    assert text.read_text() == f"a.org {A}\n"


def test_a_leftover_is_cleared_away(tmp_path):
    (tmp_path / "domains.cdb.tmp").write_text("half a map of a killed compile" * 9999)
    path = good_map(tmp_path, f"a.org {A}\n")
    assert A in onionmap("query", path, "a.org").out
    assert names(tmp_path) == ["domains.cdb", "domains.txt"]


def test_a_leftover_with_another_name_is_not_written_to(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "domains.cdb.tmp").hardlink_to(victim)
    good_map(tmp_path, f"a.org {A}\n")
    assert victim.read_text() == "precious"
    assert names(tmp_path) == ["domains.cdb", "domains.txt", "victim"]


@pytest.mark.parametrize("kind", ["link", "dir", "fifo"])
def test_what_is_no_leftover_stays(kind, tmp_path):
    victim, temporary = tmp_path / "victim", tmp_path / "domains.cdb.tmp"
    victim.write_text("precious")
    if kind == "link":
        temporary.symlink_to(victim)
    elif kind == "dir":
        temporary.mkdir()
    else:
        os.mkfifo(temporary)
    _, result = compile_text(tmp_path, f"a.org {A}\n")
    assert result.status == 1
    assert "domains.cdb.tmp is in the way" in result.err
    assert victim.read_text() == "precious"
    assert names(tmp_path) == ["domains.cdb.tmp", "domains.txt", "victim"]


# Two at once


def test_the_second_of_two_compiles_is_refused(tmp_path):
    path = good_map(tmp_path, f"a.org {A}\n")
    before = path.read_bytes()
    temporary = tmp_path / "domains.cdb.tmp"
    with open(temporary, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        _, result = compile_text(tmp_path, f"a.org {B}\n")
        assert result.status == 1
        assert result.err == f"onionmap: {temporary}: another process is writing it\n"
        assert temporary.exists()
    assert path.read_bytes() == before
    good_map(tmp_path, f"a.org {B}\n")
    assert not temporary.exists()


def test_many_compiles_at_once(tmp_path):
    maps = []
    for i in range(6):
        maps.append(good_map(tmp_path, many(onion(i), 500), f"m{i}").read_bytes())
    out = tmp_path / "out.cdb"
    for _ in range(10):
        children = [
            subprocess.Popen(
                [*ONIONMAP, "compile", "-o", out, tmp_path / f"m{i}.txt"],
                stderr=subprocess.PIPE,
            )
            for i in range(6)
        ]
        messages = [child.communicate()[1].decode() for child in children]
        statuses = [child.returncode for child in children]
        assert 0 in statuses and set(statuses) <= {0, 1}, messages
        for status, message in zip(statuses, messages):
            assert ("another process is writing it" in message) == (status == 1), message
        assert out.read_bytes() in maps
        assert "out.cdb.tmp" not in names(tmp_path)


# Killed, and out of space


def test_killed_at_any_moment(tmp_path):
    old = good_map(tmp_path, many(A, 20000), "old").read_bytes()
    start = time.monotonic()
    new = good_map(tmp_path, many(B, 20000), "new").read_bytes()
    usual = time.monotonic() - start
    out = tmp_path / "out.cdb"
    out.write_bytes(old)
    rng = random.Random()
    before, seen = old, {"killed": 0, "done": 0}
    for _ in range(60):
        text = "new" if before == old else "old"
        source = tmp_path / f"{text}.txt"
        child = subprocess.Popen([*ONIONMAP, "compile", "-o", out, source])
        time.sleep(rng.uniform(0, 1.1 * usual))
        child.kill()
        seen["done" if child.wait() == 0 else "killed"] += 1
        now = out.read_bytes()
        assert now in (old, new)
        if child.returncode == 0:
            assert now != before
        before = now
        left = set(names(tmp_path)) - {"old.txt", "old.cdb", "new.txt", "new.cdb"}
        assert left <= {"out.cdb", "out.cdb.tmp"}
    assert seen["killed"] > 0
    assert onionmap("compile", "-o", out, tmp_path / "new.txt").status == 0
    assert out.read_bytes() == new
    assert "out.cdb.tmp" not in names(tmp_path)


def test_file_size_limit(tmp_path):
    path = good_map(tmp_path, f"a.org {A}\n")
    before = path.read_bytes()

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    _, result = compile_text(tmp_path, many(B, 5000), preexec_fn=limit)
    assert result.status == 1
    assert result.err == f"onionmap: {path}.tmp: File too large\n"
    assert path.read_bytes() == before
    assert names(tmp_path) == ["domains.cdb", "domains.txt"]


@pytest.mark.parametrize("lines", [640, 700, 740, 900, 5000])
def test_full_disk(lines, tmp_path):
    """A disk of 64 KiB, full at different moments: among the records, in the index."""
    old = good_map(tmp_path, f"a.org {A}\n", "old")
    (tmp_path / "new.txt").write_text(many(B, lines))
    (tmp_path / "disk").mkdir()
    script = """set -e
        mount -t tmpfs -o size=64k none disk
        cp old.cdb disk/new.cdb
        "$@" compile -o disk/new.cdb new.txt && exit 42 || status=$?
        ls disk
        cmp old.cdb disk/new.cdb
        exit $status"""
    command = ["unshare", "-m"] if ROOT else ["unshare", "-rm"]
    result = onionmap(
        binary=[*command, "sh", "-c", script, "sh", *ONIONMAP], cwd=tmp_path
    )
    assert result.status == 1, result
    assert result.err == "onionmap: disk/new.cdb.tmp: No space left on device\n"
    assert result.out == "new.cdb\n"
    assert onionmap("query", old, "a.org").status == 0


def test_a_text_that_changes_meanwhile_is_refused(tmp_path):
    path = good_map(tmp_path, f"a.org {A}\n")
    before = path.read_bytes()
    text = tmp_path / "domains.txt"
    text.write_text(many(B, 300_000))
    child = subprocess.Popen([*ONIONMAP, "compile", text], stderr=subprocess.PIPE)
    wait_until((tmp_path / "domains.cdb.tmp").exists, "the compile to begin")
    text.write_text("z.org -\n")
    message = child.communicate()[1].decode()
    assert child.returncode == 1, message
    assert message.splitlines()[-1].endswith("changed while it was being read")
    assert path.read_bytes() == before
