"""The compiler beside one that checks nothing, and how long a large map takes to load."""

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
LOADED = 1_000_000
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


def ready(lab, cdb):
    """Seconds from the start of the daemon, and what it then has in memory."""
    daemon = start_daemon(lab, cdb)
    began = time.monotonic()
    daemon.start()
    took = time.monotonic() - began
    key = LOADED - 1
    expected = Answer(ROUTE, f"smtptor:[{onion(key % ONIONS)}]:25")
    assert daemon.ask("postfix", f"d{key:08}.example") == expected
    memory = daemon.memory()
    daemon.stop()
    return took, memory


def rows(lab, rounds):
    yield from compiling(lab, rounds)
    cdb = lab.dir / "loaded.cdb"
    run(*ONIONMAP, "compile", "-o", cdb, write_map(lab.dir / "map.txt", LOADED))
    runs = [ready(lab, cdb) for _ in range(rounds)]
    what = f"ready after a start, {LOADED} lines"
    yield table.limit(what, table.median(r[0] for r in runs), "s", 2)
    memory = table.median(r[1] for r in runs)
    what = f"memory with a map of {LOADED} lines, its file"
    yield table.compare(what, memory / 1e6, cdb.stat().st_size / 1e6, "MB", at_most=1.1)
