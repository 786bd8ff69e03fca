"""Processes, ports and waiting."""

import os
import random
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
BUILD = REPO / os.environ.get("ONIONMXD_BUILD", "build")

# How much slower than a plain build the binary under test may be. Sanitizers and
# valgrind want more time and more memory than a plain build.
SLACK = float(os.environ.get("ONIONMXD_SLACK", "1"))

# Sanitizers keep what has been freed, to see whether it is used.
MEMORY_SLACK = 1 if SLACK == 1 else 64

# A loopback address of this process's own, so that tests which run in parallel can't
# take one another's ports. Two systems that share a network may have the same process ids:
# then the number of their namespace differs.
_PID = os.getpid() ^ os.stat("/proc/self/ns/pid").st_ino
LOOPBACK = f"127.{1 + (_PID >> 16) % 100}.{_PID >> 8 & 255}.{_PID & 255}"

_used_ports = set()


def program(variable, default):
    """A command line from the environment: a path, or a wrapper and a path."""
    command = shlex.split(os.environ.get(variable, default))
    path = REPO / command[-1]
    return [*command[:-1], str(path)]


def wait_until(condition, what, limit=20):
    """Polls until the condition returns something true, and returns that."""
    end = time.monotonic() + limit * SLACK
    pause = 0.005
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit * SLACK:g} s in vain: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def running(pid):
    """Whether a process runs. One that has ended, but that nobody has reaped, doesn't."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in ("Z", "X")


def free_port(host=LOOPBACK):
    """A port on which nothing listens, by UDP or by TCP. Never the same one twice."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        port = random.randrange(10240, 32768)
        if port in _used_ports:
            continue
        _used_ports.add(port)
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(family, kind) as probe:
                    probe.bind((host, port))
        except OSError:
            continue
        return port


class Process:
    """A program that runs beside the test. Its output goes to a file; it dies with the
    test, whatever happens."""

    def __init__(self, args, log, nofile=None):
        self.args = [str(arg) for arg in args]
        self.log = Path(log)
        self.nofile = nofile
        self.child = None

    def launch(self):
        """Starts it, and doesn't wait until it is ready."""
        assert not self.alive(), "already running"
        prefix = ["setpriv", "--pdeathsig", "KILL"]
        if self.nofile:
            prefix += ["prlimit", f"--nofile={self.nofile}:{self.nofile}"]
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(
                prefix + self.args,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        return self

    def start(self):
        return self.launch()

    @property
    def pid(self):
        return self.child.pid

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def ready(self, condition, limit=20):
        """Waits for readiness; the output tells why if it dies before."""

        def check():
            if not self.alive():
                raise AssertionError(
                    f"{self.args[0]} exited {self.child.returncode}:\n{self.output()}"
                )
            return condition()

        wait_until(check, f"{self.args[0]} to be ready", limit)

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, limit=20):
        return self.child.wait(limit * SLACK)

    def stop(self):
        """SIGTERM, and SIGKILL if that doesn't end it. Returns the exit status."""
        if self.child is None:
            return None
        if self.alive():
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        try:
            return self.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def kill(self):
        if self.alive():
            self.child.kill()
        return self.child.wait() if self.child else None

    def pause(self):
        self.signal(signal.SIGSTOP)
        wait_until(lambda: self._state() == "T", "the process to stop")

    def resume(self):
        self.signal(signal.SIGCONT)

    def memory(self):
        """Its own resident memory in bytes; files that it maps don't count."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no RssAnon")

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def _state(self):
        return Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
