"""What who waits at a terminal sees of a long map."""

import os
import pty
import re
import subprocess

from harness.onion import onion
from maptool import ONIONMAP, cdb_query, onionmap

LINES = 300_000


def long_text(path, extra=""):
    host = onion("a")
    with open(path, "w") as out:
        out.writelines(f"d{i}.example.org {host}\n" for i in range(LINES))
        out.write(extra)
    return path


def at_a_terminal(*args):
    """The status, and what was shown."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen([*ONIONMAP, *args], stdin=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = bytearray()
    try:
        while data := os.read(ours, 4096):
            shown += data
    except OSError:
        pass  # the end of a terminal
    os.close(ours)
    return child.wait(), shown.decode()


def left_on(screen):
    """What is to be seen in the end, without blank lines."""
    lines = []
    for line in screen.replace("\r\n", "\n").split("\n"):
        seen = ""
        for part in line.split("\r"):
            seen = part + seen[len(part) :]
        lines.append(seen.rstrip())
    return "\n".join(line for line in lines if line)


def test_progress(tmp_path):
    status, shown = at_a_terminal("compile", long_text(tmp_path / "domains.txt"))
    assert status == 0
    percents = [int(p) for p in re.findall(r"\r\[#*(?: |#)*\] +(\d+) %", shown)]
    assert len(percents) >= 4 and percents == sorted(set(percents))
    assert 0 < percents[0] and percents[-1] <= 100
    assert left_on(shown) == ""
    last = f"d{LINES - 1}.example.org"
    assert cdb_query(tmp_path / "domains.cdb", last) == onion("a")


def test_errors_stay_readable(tmp_path):
    text = long_text(tmp_path / "domains.txt", "x.example none\n")
    status, shown = at_a_terminal("compile", text)
    assert status == 1
    first, *rest = left_on(shown).splitlines()
    assert first.startswith(f"{text}:{LINES + 1}:11: ")
    assert len(rest) == 1 and "1 error, nothing written" in rest[0]


def test_elsewhere_there_is_none(tmp_path):
    result = onionmap("compile", long_text(tmp_path / "domains.txt"))
    assert (result.status, result.out, result.err) == (0, "", "")
