"""The daemon with its bridge, and clients of that."""

import os
import signal
import socket
import struct
import subprocess
import sys

from .clients import TIMEOUT
from .daemon import listeners_in
from .proc import wait_until

# As LOOPBACK: tests that run in parallel have addresses of their own.
NET = f"127.{128 + os.getpid() % 100}.0.0/16"

_bridge_ports = set()


def free_bridge_port():
    """The bridge takes its port on all loopback addresses, so these are ports that no
    other test uses, a range for each process, and nothing may be bound to them at all."""
    first = 2000 + os.getpid() % 80 * 100
    for port in range(first, first + 100):
        if port in _bridge_ports:
            continue
        _bridge_ports.add(port)
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
        return port
    _bridge_ports.clear()
    return free_bridge_port()


# What follows the words of a server that has gone amid a session.
LOST = b"421 4.4.2 connection to the onion service lost\r\n"

PROTOCOLS = ("readsocket", "tcp_table", "socketmap")


def make_bridged(lab, *tors, **settings):
    """A daemon, not started, whose listeners all answer with addresses of the bridge."""
    state = lab.dir / "state"
    state.mkdir(exist_ok=True)
    table = listeners_in(lab.dir, answer="bridge")
    defaults = {
        "state_dir": str(state),
        "bridge_network": NET,
        "bridge_port": free_bridge_port(),
        "bridge_users": [str(os.getuid())],
        "socks": [tor.address for tor in tors],
    }
    listeners = {name: table[name] for name in PROTOCOLS}
    return lab.make_daemon(listeners, **{**defaults, **settings})


def bridged(lab, *tors, **settings):
    return make_bridged(lab, *tors, **settings).start()


def where(daemon, key, listener="socketmap"):
    """(address, port) of the bridge for a key."""
    targets = daemon.ask(listener, key).targets()
    assert len(targets) == 1, targets
    return targets[0]


def connect_to(place):
    """When it is closed it is reset: else it could be half a close, and the server may
    still have something to say."""
    s = socket.create_connection(place)
    s.settimeout(TIMEOUT)
    reset_at_close(s)
    return s


def reset_at_close(s, wanted=True):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", wanted, 0))


def dial(daemon, key):
    """As a mail server does it: asks, and connects to the answer."""
    return connect_to(where(daemon, key))


def hear(s):
    """All up to the end, which isn't a reset."""
    data = bytearray()
    while chunk := s.recv(1 << 20):
        data += chunk
    return bytes(data)


def exactly(s, count):
    data = bytearray()
    while len(data) < count:
        chunk = s.recv(min(count - len(data), 1 << 20))
        assert chunk, f"closed after {len(data)} of {count} bytes"
        data += chunk
    return bytes(data)


def unreachable(why):
    return b"421 4.4.1 onion service unreachable: " + why.encode() + b"\r\n"


def refusal(daemon, key):
    """What a client hears that isn't connected."""
    with dial(daemon, key) as s:
        return hear(s)


def change_map(lab, daemon, text):
    loads = daemon.counted("map_loads")
    lab.map(text)
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: daemon.counted("map_loads") > loads, "the new map")


HEAR = """
import socket, sys
host, port, source, say = sys.argv[1:]
with socket.create_connection((host, int(port)), 60, (source, 0)) as s:
    s.sendall(say.encode())
    while data := s.recv(65536):
        sys.stdout.buffer.write(data)
"""


def hear_elsewhere(place, *, source="127.0.0.1", say="", prefix=(), **options):
    """What a client hears that is a process of its own; options are subprocess's."""
    host, port = place
    args = [*prefix, sys.executable, "-c", HEAR, host, str(port), source, say]
    done = subprocess.run(args, capture_output=True, timeout=90, cwd="/", **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


LEAVE = """
import socket, sys
host, port, say = sys.argv[1:]
with socket.create_connection((host, int(port))) as s:
    s.sendall(say.encode())
"""


def leave_elsewhere(place, say, **options):
    """A client that is a process of its own, and has gone when this returns."""
    host, port = place
    args = [sys.executable, "-c", LEAVE, host, str(port), say]
    subprocess.run(args, check=True, timeout=90, cwd="/", **options)
