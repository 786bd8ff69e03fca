"""What is measured, and what measures: the server has one core, the load the other."""

import re
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

from harness.proc import LOOPBACK, Process, free_port

SERVER_CORE, LOAD_CORE = "0", "1"
ON_SERVER_CORE = ("taskset", "-c", SERVER_CORE)
ON_LOAD_CORE = ("taskset", "-c", LOAD_CORE)

build = Path("build")  # where the programs are; main() sets it


def program(name):
    return build / "tests/bench" / name


def cpu_seconds(pid):
    """Of a process of one thread."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def resident(pid):
    """Bytes of its own; files that it maps don't count."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s*(\d+) kB", status)[1]) * 1024


def write_items(path, items):
    """Questions and answers for load, pairs of bytes."""
    with open(path, "wb") as out:
        for question, answer in items:
            out.write(struct.pack("=HH", len(question), len(answer)) + question + answer)
    return path


class Loaded(NamedTuple):
    """One run of load. Seconds for all, microseconds for a batch."""

    questions: int
    seconds: float
    median: float
    p99: float
    longest: float
    cpu: float = 0.0  # microseconds of the server for a question


def load(address, items, *, connections, depth=1, questions, idle=0, once=False):
    args = [*ON_LOAD_CORE, program("load"), "-a", address]
    args += ["-c", connections, "-d", depth, "-n", questions, "-i", idle]
    args += ["-1"] * once
    done = subprocess.run(
        [*map(str, args), items], stdout=subprocess.PIPE, text=True, check=True
    )
    questions, *figures = done.stdout.split()
    return Loaded(int(questions), *map(float, figures))


def load_server(server, address, items, **options):
    before = cpu_seconds(server.pid)
    done = load(address, items, **options)
    took = cpu_seconds(server.pid) - before
    return done._replace(cpu=took / done.questions * 1e6)


class Listening(Process):
    """A program with an address, ready when it listens there."""

    def __init__(self, workdir, name, address, args):
        self.address = address
        super().__init__(args, workdir / f"{name}.log")

    def start(self):
        super().start()
        self.ready(self._listens)
        return self

    def _listens(self):
        if self.address.startswith("unix:"):
            return Path(self.address[5:]).exists()
        port = int(self.address.rsplit(":", 1)[1])
        return f":{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text()


def tcp_address():
    return f"{LOOPBACK}:{free_port()}"


def reference(workdir, name, question, answer, *, unix, once=False):
    """bare or buffered: each so many bytes are answered with the same line."""
    address = f"unix:{workdir}/{name}.sock" if unix else tcp_address()
    args = [*ON_SERVER_CORE, program(name), address, len(question), answer]
    return Listening(workdir, name, address, args + ["once"] * once)
