"""Mount namespaces, as containers have them. Needs root."""

import subprocess
import sys
from pathlib import Path

from .clients import Answer

TESTS = Path(__file__).resolve().parents[1]

MOUNT = """\
mount --bind -o ro "$1" "$2" && mount -t tmpfs tmpfs "$1" && shift 2 && exec "$@"
"""


def inside(outer, inner, args):
    """A command line that runs args where the directory outer is to be found, read
    only, at inner; at its old place it isn't."""
    return ["unshare", "--mount", "sh", "-c", MOUNT, "sh", outer, inner, *args]


class ContainedClient:
    """Asks a listener from inside a mount namespace."""

    def __init__(self, outer, inner, address, protocol):
        args = [sys.executable, "-B", "-m", "harness.clients", address, protocol]
        self.child = subprocess.Popen(
            inside(outer, inner, args),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=TESTS,
        )

    def ask(self, key):
        self.child.stdin.write(key + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        assert line, "the client has died"
        return Answer(*line.rstrip("\n").split(" ", 1))

    def close(self):
        self.child.stdin.close()
        self.child.stdout.close()
        self.child.wait(20)
