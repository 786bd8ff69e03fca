"""The compiler beside one that checks nothing, and a map that is too big to look at."""

import re
import subprocess
import time
from pathlib import Path

from harness.clients import Answer, ROUTE
from harness.daemon import ONIONMAP
from harness.onion import onion
from harness.proc import LOOPBACK, free_port

from . import table

SIZES = (1_000_000, 10_000_000)
ONIONS = 1000
DISTINCT = 200_000


def write_map(path, lines, onions=ONIONS):
    names = [onion(i) for i in range(onions)]
    with open(path, "w") as out:
        for start in range(0, lines, onions):
            batch = (f"d{start + i:08}.example {names[i]}\n" for i in range(onions))
            out.writelines(batch)
    return path


def run(*args):
    """The seconds that it took."""
    began = time.monotonic()
    subprocess.run([*map(str, args)], check=True)
    return time.monotonic() - began


def memory_of(*args):
    """Bytes that are resident at most. What wait4(2) knows has ours in it, from before
    the program was started."""
    child = subprocess.Popen([*map(str, args)])
    most = 0
    while child.poll() is None:
        status = Path(f"/proc/{child.pid}/status").read_text()
        found = re.search(r"VmHWM:\s*(\d+) kB", status)
        name = re.search(r"Name:\s*(\S+)", status)[1]
        if found and name == Path(args[0]).name:
            most = max(most, int(found[1]) * 1024)
        time.sleep(0.002)
    assert child.returncode == 0, args
    return most


def sides(lab, text):
    ours, theirs = lab.dir / "ours.cdb", lab.dir / "theirs.cdb"
    unchecked = ("cdb", "-c", "-m", theirs, text)
    return {
        "onionmap": [*ONIONMAP, "compile", "-o", ours, text],
        "cdb": unchecked,
        # Only now it is on the disk, as ours is.
        "durable": ["sh", "-c", '"$@" && sync "$4"', "sh", *unchecked],
    }


def compile_time(commands, what, rounds):
    runs = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(run(*command))
    seconds = {name: table.median(done) for name, done in runs.items()}
    for name, beside in (("cdb", "cdb -c -m"), ("durable", "cdb -c -m and sync")):
        pair = seconds["onionmap"], seconds[name]
        yield table.compare(f"{what}, {beside}", *pair, "s", at_most=1)


def compile_memory(commands, what):
    pair = [memory_of(*commands[name]) / 1e6 for name in ("onionmap", "cdb")]
    return table.compare(f"{what}, its memory", *pair, "MB", at_most=2)


def compiling(lab, rounds):
    text = write_map(lab.dir / "distinct.txt", DISTINCT, DISTINCT)
    what = f"compile {DISTINCT} lines, each with an onion of its own"
    yield from compile_time(sides(lab, text), what, rounds)
    for lines in SIZES:
        commands = sides(lab, write_map(lab.dir / "map.txt", lines))
        what = f"compile {lines} lines"
        yield from compile_time(commands, what, rounds)
        yield compile_memory(commands, what)


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
    yield from compiling(lab, rounds)
    (lab.dir / "theirs.cdb").unlink()
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
