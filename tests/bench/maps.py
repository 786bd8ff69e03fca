"""The compiler beside one that checks nothing, and a map that is too big to look at."""

import os
import subprocess
import time
from typing import NamedTuple

from harness.clients import Answer, ROUTE
from harness.daemon import ONIONMAP
from harness.onion import onion
from harness.proc import LOOPBACK, free_port

from . import table

SIZES = (1_000_000, 10_000_000)
ONIONS = 1000


class Took(NamedTuple):
    seconds: float
    memory: int  # bytes that were resident at most


def write_map(path, lines):
    names = [onion(i) for i in range(ONIONS)]
    with open(path, "w") as out:
        for start in range(0, lines, ONIONS):
            out.write("".join(f"d{start + i:08}.example {names[i]}\n" for i in range(ONIONS)))
    return path


def run(*args):
    began = time.monotonic()
    child = subprocess.Popen([*map(str, args)])
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, args
    return Took(time.monotonic() - began, usage.ru_maxrss * 1024)


def compiling(lab, text, lines, rounds):
    ours, theirs = lab.dir / "ours.cdb", lab.dir / "theirs.cdb"
    runs = {"onionmap": [], "cdb": []}
    for _ in range(rounds):
        runs["cdb"].append(run("cdb", "-c", "-m", theirs, text))
        runs["onionmap"].append(run(*ONIONMAP, "compile", "-o", ours, text))
    theirs.unlink()
    seconds = [table.median(r.seconds for r in runs[name]) for name in runs]
    memory = [table.median(r.memory for r in runs[name]) / 1e6 for name in runs]
    what = f"compile {lines} lines"
    yield table.compare(f"{what}, cdb -c -m", *seconds, "s", at_most=1)
    yield table.compare(f"{what}, its memory", *memory, "MB", at_most=2)


def start_daemon(lab, cdb):
    listener = {
        "protocol": "tcp_table",
        "address": f"{LOOPBACK}:{free_port()}",
        "answer": "onion",
    }
    return lab.make_daemon({"postfix": listener}, map=cdb)


def first_answer(lab, cdb, key):
    """Seconds from the start of the daemon, and what it has in memory after some more."""
    daemon = start_daemon(lab, cdb)
    expected = f"smtptor:[{onion(key % ONIONS)}]:25"
    began = time.monotonic()
    super(type(daemon), daemon).start()
    while True:
        try:
            answer = daemon.ask("postfix", f"d{key:08}.example")
            break
        except OSError:
            assert time.monotonic() < began + 20, daemon.output()
            time.sleep(0.0005)
    took = time.monotonic() - began
    assert answer == Answer(ROUTE, expected), answer
    for i in range(10_000):
        daemon.ask("postfix", f"d{i * key // 10_000:08}.example")
    memory = daemon.memory()
    daemon.stop()
    return took, memory


def rows(lab, rounds):
    for lines in SIZES:
        text = write_map(lab.dir / "map.txt", lines)
        yield from compiling(lab, text, lines, rounds if lines < 5_000_000 else min(rounds, 3))
    big = lab.dir / "ours.cdb"
    small = lab.dir / "small.cdb"
    run(*ONIONMAP, "compile", "-o", small, write_map(lab.dir / "small.txt", 10_000))
    runs = [first_answer(lab, big, SIZES[-1] - 1) for _ in range(rounds)]
    what = f"first answer after a start, {SIZES[-1]} lines"
    yield table.limit(what, table.median(r[0] for r in runs) * 1000, "ms", 50)
    memory = table.median(r[1] for r in runs)
    reference = table.median(first_answer(lab, small, 9_999)[1] for _ in range(rounds))
    what = f"memory with a map of {SIZES[-1]} lines, one of 10000"
    yield table.compare(what, memory / 1e6, reference / 1e6, "MB", at_most=1.1)
