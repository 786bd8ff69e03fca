"""Who talks to whom: the sockets of this network namespace, and what it couldn't route."""

import ipaddress
import os
import threading
from pathlib import Path
from typing import NamedTuple

NET = Path("/proc/thread-self/net")
FILES = ("tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6")


# The bridge listens at every address, but only on the loopback interface, which the kernel
# doesn't tell here; tests/daemon/test_bridge_socket.py has that.
BRIDGE = "0.0.0.0 14525"


class Socket(NamedTuple):
    kind: str
    local: str
    remote: str
    inode: int

    def stays(self):
        """It is bound to loopback, and its other end, if it has one, is there, too."""
        if self.local == BRIDGE and _none(self.remote):
            return True
        return _loopback(self.local) and (_loopback(self.remote) or _none(self.remote))


def _address(text):
    """The kernel prints each 32 bits in the byte order of the machine."""
    host, port = text.split(":")
    raw = bytes.fromhex(host)
    raw = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    address = ipaddress.ip_address(raw)
    return f"{getattr(address, 'ipv4_mapped', None) or address} {int(port, 16)}"


def _loopback(end):
    return ipaddress.ip_address(end.split()[0]).is_loopback


def _none(end):
    host, port = end.split()
    return ipaddress.ip_address(host).is_unspecified and port == "0"


def sockets():
    """All sockets, in all states."""
    found = []
    for name in FILES:
        path = NET / name
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            ends = (_address(fields[1]), _address(fields[2]))
            found.append(Socket(name, *ends, int(fields[9])))
    return found


def strays(inodes=None):
    """Sockets that aren't on loopback; with inodes, of these only."""
    return [
        s for s in sockets() if not s.stays() and (inodes is None or s.inode in inodes)
    ]


def inodes_of(pids):
    """The sockets of processes, by inode."""
    found = set()
    for pid in pids:
        for fd in _names(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{fd}")
            except OSError:
                continue
            if target.startswith("socket:["):
                found.add(int(target[8:-1]))
    return found


def _names(directory):
    try:
        return os.listdir(directory)
    except OSError:
        return []


def unroutable():
    """How often the namespace was asked to reach what it has no route to."""
    lines = (NET / "snmp").read_text().splitlines()
    names, values = (line.split() for line in lines if line.startswith("Ip:"))
    return int(values[names.index("OutNoRoutes")])


class Watch:
    """Looks at the sockets again and again, until it is left. strays has what it saw
    that isn't on loopback. pids: a function; only the sockets of these processes."""

    def __init__(self, pids=None, every=0.05):
        self.pids = pids
        self.every = every
        self.strays = set()
        self.seen = set()
        self.error = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _look(self):
        of = inodes_of(self.pids()) if self.pids else None
        self.strays.update(strays(of))
        self.seen.update(s for s in sockets() if of is None or s.inode in of)

    def _run(self):
        try:
            while not self._end.wait(self.every):
                self._look()
        except Exception as error:
            self.error = error

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()
        if self.error:
            raise self.error
