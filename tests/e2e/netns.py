"""A network of the test's own, which holds only "lo", and a resolver of its own.

The calling thread moves; what it starts from then on, threads and processes, is inside.
Needs root."""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import tempfile
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 2

SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8913, 0x8914, 0x8916, 0x891C
IFF_UP = 1

# An address of "lo" besides 127.0.0.1 (it is from RFC 5737). Tor looks for one that could
# be the machine's, and if it finds none it asks the kernel for the way to 18.0.0.1. There
# is no way, but then nobody could tell that from an attempt to leave.
EXTRA = "192.0.2.1"

RESOLV_CONF = "/etc/resolv.conf"
RESOLV_TEXT = "nameserver {}\noptions timeout:1 attempts:2\n"

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *args):
    if getattr(_libc, name)(*args) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def _bring_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:

        def ioctl(request, name, fields, *values):
            return fcntl.ioctl(s, request, struct.pack(f"16s{fields}", name, *values))

        flags = struct.unpack("16sH22x", ioctl(SIOCGIFFLAGS, b"lo", "H22x", 0))[1]
        ioctl(SIOCSIFFLAGS, b"lo", "H22x", flags | IFF_UP)
        for request, text in ((SIOCSIFADDR, EXTRA), (SIOCSIFNETMASK, "255.255.255.255")):
            address = socket.inet_aton(text)
            ioctl(request, b"lo:1", "H2x4s16x", socket.AF_INET, address)


class Namespace:
    """enter() and leave(), by the same thread; or a with statement. It ends when its
    last process and socket do."""

    def __init__(self, nameserver="127.0.0.1"):
        self._first_nameserver = nameserver
        self._resolv_conf = None
        self._mounted = None
        self._old = None

    def enter(self):
        """PermissionError if this process may not. What fails leaves no trace."""
        with contextlib.ExitStack() as undo:
            undo.callback(self.leave)
            self._old = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            _call("unshare", CLONE_NEWNET | CLONE_NEWNS)
            # No mount of ours may be seen outside.
            _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
            _bring_up()
            self._mount_resolv_conf()
            undo.pop_all()
        return self

    def _mount_resolv_conf(self):
        handle, path = tempfile.mkstemp(prefix="omx-resolv")
        os.fchmod(handle, 0o644)
        os.close(handle)
        self._resolv_conf = Path(path)
        self.nameserver(self._first_nameserver)
        # The name may be a link.
        target = os.path.realpath(RESOLV_CONF).encode()
        _call("mount", path.encode(), target, None, MS_BIND, None)
        self._mounted = target

    def nameserver(self, address):
        """The only name server from now on; always on port 53. libc sees the change."""
        self._resolv_conf.write_text(RESOLV_TEXT.format(address))

    def leave(self):
        """The thread keeps a mount namespace of its own, with nothing mounted in it: it
        couldn't go back while another thread shares its working directory."""
        if self._mounted:
            _call("umount2", self._mounted, MNT_DETACH)
            self._mounted = None
        if self._resolv_conf:
            self._resolv_conf.unlink()
            self._resolv_conf = None
        if self._old is not None:
            try:
                _call("setns", self._old, CLONE_NEWNET)
            finally:
                os.close(self._old)
                self._old = None

    __enter__ = enter

    def __exit__(self, *_):
        self.leave()
