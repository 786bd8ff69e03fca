"""Tells the preloaded library (shim.c) which calls are to fail."""

import errno
import mmap
import os
import random
import re
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

from harness.daemon import ONIONMXD
from harness.proc import BUILD, REPO

LIBRARY = BUILD / "tests/faults/shim.so"
LEAKS = REPO / "tests/faults/leaks"
CALLS = re.findall(r"^\tX\((\w+)\)", (REPO / "tests/faults/shim.c").read_text(), re.M)
HEAD = struct.Struct("=IIqqq")  # as struct page in shim.c

SHORT = "short"
MEMORY = ("malloc", "calloc", "realloc")

# What each can really return, by the manuals and by what Linux does.
ERRORS = {
    **dict.fromkeys(MEMORY, "ENOMEM"),
    "socket": "EMFILE ENFILE ENOBUFS ENOMEM",
    "bind": "EADDRINUSE EACCES EADDRNOTAVAIL ENOMEM",
    "listen": "EADDRINUSE",
    "accept4": "ECONNABORTED EMFILE ENFILE ENOBUFS ENOMEM EPERM EPROTO",
    "connect": "ECONNREFUSED ENETUNREACH EADDRNOTAVAIL EAGAIN EACCES EPERM",
    "send": "short EAGAIN ENOBUFS ENOMEM ECONNRESET EPIPE",
    "sendto": "EAGAIN ENOBUFS ENOMEM EPERM ENETUNREACH ECONNREFUSED",
    "writev": "short EAGAIN ENOBUFS ECONNRESET EPIPE",
    "recv": "short ECONNRESET ETIMEDOUT ENOMEM",
    "recvfrom": "EAGAIN ENOMEM ECONNREFUSED EHOSTUNREACH",
    "read": "short EINTR EIO",
    "pread": "short EINTR EIO",
    "write": "short EINTR EIO ENOSPC EDQUOT EFBIG",
    "open": "EMFILE ENFILE ENOMEM EACCES EINTR EIO",
    "fopen": "EMFILE ENFILE ENOMEM EACCES",
    "fdopen": "ENOMEM",
    "fflush": "ENOSPC EIO EDQUOT",
    "fclose": "ENOSPC EIO EDQUOT",
    "fsync": "EIO ENOSPC EDQUOT",
    "rename": "EIO ENOSPC EDQUOT EACCES",
    "unlink": "EIO EACCES EBUSY",
    "link": "EIO ENOSPC EPERM EEXIST",
    "stat": "ENOMEM EACCES EIO",
    "lstat": "ENOMEM EACCES EIO",
    "fstat": "ENOMEM EIO",
    "chmod": "EPERM EIO EROFS",
    "mmap": "ENOMEM ENFILE",
    "epoll_create1": "EMFILE ENFILE ENOMEM",
    "epoll_ctl": "ENOMEM ENOSPC",
    "epoll_wait": "EINTR",
    "eventfd": "EMFILE ENFILE ENOMEM",
    "pipe2": "EMFILE ENFILE",
    "fork": "EAGAIN ENOMEM",
    "waitpid": "EINTR",
    "pthread_create": "EAGAIN",
    "setsockopt": "ENOBUFS ENOMEM",
    "getsockopt": "ENOBUFS",
    "getsockname": "ENOBUFS",
    "getpeername": "ENOTCONN ENOBUFS",
}
assert list(ERRORS) == CALLS

# How many fail in a row; the last stands for all, until the fault is over.
LENGTHS = (1, 1, 1, 2, 5, 1 << 40)


class Fault(NamedTuple):
    call: str
    number: int  # which of them is the first to fail
    error: str
    length: int

    def __str__(self):
        return f"{self.call}:{self.number}:{self.error}:{self.length}"

    @classmethod
    def parse(cls, text):
        call, number, error, length = text.split(":")
        return cls(call, int(number), error, int(length))


def choose(counted, number, seed):
    """So many faults among the calls that were counted: half of them of memory."""
    dice = random.Random(seed)
    memory = [call for call in MEMORY if counted[call]]
    weights = [counted[call] for call in memory]
    others = [
        (call, error)
        for call in CALLS
        if call not in MEMORY and counted[call]
        for error in ERRORS[call].split()
    ]
    faults = []
    for _ in range(number):
        if memory and dice.random() < 0.5:
            call, error = dice.choices(memory, weights)[0], "ENOMEM"
        else:
            call, error = dice.choice(others)
        length = dice.choice(LENGTHS)
        if error == "EINTR":
            length = min(length, 5)  # nothing is interrupted for ever
        faults.append(Fault(call, dice.randint(1, counted[call]), error, length))
    return faults


class Shim:
    """The page. prefix goes before the daemon's command line."""

    def __init__(self, directory):
        path = Path(directory) / "faults"
        self._traces = Path(directory) / "faults.trace"
        path.write_bytes(bytes(HEAD.size + 8 * len(CALLS)))
        with open(path, "r+b") as file:
            self._page = mmap.mmap(file.fileno(), 0)
        # Freed memory is overwritten, so that who uses it is noticed.
        self.prefix = [
            "env",
            f"LD_PRELOAD={LIBRARY}",
            f"FAULTS={path}",
            "MALLOC_PERTURB_=90",
            f"LSAN_OPTIONS=suppressions={LEAKS}:print_suppressions=0",
        ]

    def arm(self, fault):
        code = 0 if fault.error == SHORT else getattr(errno, fault.error)
        self.disarm()
        self._traces.write_text("")
        struct.pack_into("=Iqqq", self._page, 4, code, fault.number - 1, fault.length, 0)
        struct.pack_into("=I", self._page, 0, CALLS.index(fault.call) + 1)

    def disarm(self):
        struct.pack_into("=I", self._page, 0, 0)

    def trace(self):
        """Who made the first calls that failed, and the crash, since the last arm()."""
        text = self._traces.read_text()
        return re.sub(r"^\S*/onionmxd\(\+(0x\w+)\).*", self._place, text, flags=re.M)

    @staticmethod
    def _place(match):
        done = subprocess.run(
            ["addr2line", "-fpse", ONIONMXD[-1], match[1]], stdout=subprocess.PIPE, text=True
        )
        return "  " + done.stdout.rstrip()

    def failed(self):
        """How many calls have failed since the last arm()."""
        return HEAD.unpack_from(self._page)[4]

    def forget(self):
        """Before the daemon is started."""
        self._page[:] = bytes(len(self._page))

    def counted(self):
        numbers = struct.unpack_from(f"={len(CALLS)}q", self._page, HEAD.size)
        return dict(zip(CALLS, numbers))
