"""The bridge beside other forwarders: how fast bytes go through, and what a connection
that is open takes."""

import subprocess
from pathlib import Path

from harness.bridged import free_bridge_port
from harness.onion import onion
from harness.proc import wait_until

from . import table
from .programs import (
    ON_LOAD_CORE,
    ON_SERVER_CORE,
    Listening,
    program,
    resident,
    tcp_address,
)

CONNECTIONS = 8
MEGABYTES = 50  # for each connection
OPEN = 500  # connections, for their memory

HAPROXY = """\
global
    nbthread 1
    maxconn 4000
defaults
    mode tcp
    {option}
    timeout connect 10s
    timeout client 10m
    timeout server 10m
listen forward
    bind {front}
    server sink {back}
"""


def sink(lab, *options):
    at = tcp_address()
    name = "sink" + "".join(options)
    args = [*ON_LOAD_CORE, program("sink"), at, *options]
    return lab.run(Listening(lab.dir, name, at, args))


def haproxy(lab, name, back, option=""):
    at = tcp_address()
    conf = lab.dir / f"{name}.cfg"
    conf.write_text(HAPROXY.format(front=at, back=back, option=option))
    args = [*ON_SERVER_CORE, "haproxy", "-db", "-f", conf]
    return lab.run(Listening(lab.dir, name, at, args))


def socat(lab, back):
    at = tcp_address()
    host, port = at.split(":")
    front = f"TCP-LISTEN:{port},bind={host},reuseaddr,fork,backlog=1000"
    args = [*ON_SERVER_CORE, "socat", "-b", "65536", front, f"TCP:{back}"]
    return lab.run(Listening(lab.dir, "socat", at, args))


class Bridge:
    """onionmxd, and the address that it gives for an onion."""

    def __init__(self, lab, socks):
        state = lab.dir / "state"
        state.mkdir()
        listener = {
            "protocol": "readsocket",
            "address": f"unix:{lab.dir}/exim.sock",
            "answer": "bridge",
        }
        self.daemon = lab.daemon(
            {"exim": listener},
            map=f"m.example {onion(1)}\n",
            state_dir=str(state),
            socks=[socks.address],
            bridge_port=free_bridge_port(),
            bridge_users=[],
            prefix=ON_SERVER_CORE,
        )
        self.pid = self.daemon.pid
        self.address = self.daemon.ask("exim", "m.example").value.replace("::", ":")


def processes(forwarder):
    """Its own, and those that it has made."""
    path = Path(f"/proc/{forwarder.pid}/task/{forwarder.pid}/children")
    return [forwarder.pid, *map(int, path.read_text().split())]


def taken_by(forwarder):
    return sum(map(resident, processes(forwarder)))


class Stream:
    """Connections through a forwarder, which stay open until the end."""

    def __init__(self, forwarder, direction, connections, size):
        args = [*ON_LOAD_CORE, program("stream"), forwarder.address, direction]
        self.child = subprocess.Popen(
            [*map(str, args), str(connections), str(size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        self.seconds = float(self.child.stdout.readline())
        return self

    def __exit__(self, *_):
        self.child.communicate()
        assert self.child.returncode == 0


def throughput(forwarder, direction):
    """Megabytes a second."""
    with Stream(forwarder, direction, CONNECTIONS, MEGABYTES << 20) as stream:
        return CONNECTIONS * MEGABYTES / stream.seconds


def memory(forwarder):
    before = taken_by(forwarder)
    with Stream(forwarder, "d", OPEN, 100):
        taken = taken_by(forwarder) - before
    alone = lambda: len(processes(forwarder)) == 1  # noqa: E731
    wait_until(alone, "the forwarder's processes to end")
    return taken / OPEN


def rows(lab, rounds):
    plain, socks = sink(lab), sink(lab, "socks")
    others = {
        "haproxy": haproxy(lab, "haproxy", plain.address),
        "haproxy with splice": haproxy(lab, "spliced", plain.address, "option splice-auto"),
        "socat": socat(lab, plain.address),
    }
    forwarders = {"bridge": Bridge(lab, socks), **others}
    taken = {name: memory(forwarder) for name, forwarder in forwarders.items()}
    for other in others:
        what = f"bridge, memory of an open connection, {other}"
        yield table.compare(what, taken["bridge"], taken[other], "bytes", at_most=1)
    for direction, title in (("u", "to the onion service"), ("d", "from it")):
        runs = {name: [] for name in forwarders}
        for _ in range(rounds):
            for name, forwarder in forwarders.items():
                runs[name].append(throughput(forwarder, direction))
        speed = {name: table.median(done) for name, done in runs.items()}
        for other in others:
            what = f"bridge, {CONNECTIONS} connections {title}, {other}"
            yield table.compare(what, speed["bridge"], speed[other], "MB/s", at_least=0.8)
