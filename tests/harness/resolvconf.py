"""resolv.conf in namespaces of its own, and what glibc and the daemon's modules make of
it. Needs root."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from .daemon import ONIONMXD
from .proc import SLACK, Process, wait_until

HELPER = Path(ONIONMXD[-1]).parent / "tests/daemon/resolvconf"
RESOLV_CONF = "/etc/resolv.conf"
NOBODY = "65534"


class Found(NamedTuple):
    servers: tuple = ()
    why: str = ""
    unusable: str = ""  # "LINES FIRST WORDS"


def parse_found(text):
    """The blocks of the helper's output that are whole."""
    blocks, servers, words = [], [], {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "server":
            servers.append(rest)
        elif kind == "end":
            blocks.append(Found(tuple(servers), **words))
            servers, words = [], {}
        else:
            assert kind in ("why", "unusable"), text
            words[kind] = rest
    return blocks


def inside(etc, args, user=None, network=False):
    """A command line that runs args where the directory etc is /etc. What args need of
    the file system is elsewhere: the libraries are found without /etc/ld.so.cache."""
    drop = []
    if user:
        drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    mount = 'mount --bind "$1" /etc && shift && exec "$@"'
    unshare = ["unshare", "--mount"] + ["--net"] * network
    return [*unshare, "sh", "-c", mount, "sh", etc, *drop, *args]


def ask_helper(*args, etc=None, helper=HELPER, **options):
    """What one call of the helper finds."""
    args = [helper, *args]
    done = subprocess.run(
        list(map(str, inside(etc, args, **options) if etc else args)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=20 * SLACK,
    )
    assert done.returncode == 0, done.stdout
    (found,) = parse_found(done.stdout)
    return found


class Watcher(Process):
    """Follows a file; prefix is a command line that runs another."""

    def __init__(self, workdir, path, prefix=()):
        super().__init__([*prefix, HELPER, "watch", path], workdir / "watcher.log")

    def start(self):
        super().start()
        self.ready(lambda: self.found())
        return self

    def found(self):
        """What it has found, the oldest first."""
        return parse_found(self.output())

    def wait_for(self, n):
        """The n-th that it finds; it has found no more than that."""
        wait_until(lambda: len(self.found()) >= n, f"change {n} of the file")
        found = self.found()
        assert len(found) == n, found
        return found[-1]
