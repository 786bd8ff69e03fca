"""What the tests of the mail servers stand on."""

import contextlib

import pytest

from harness.onion import onion
from harness.unbound import srv

from .exim import Exim
from .postfix import Postfix
from .sink import Sink
from .socks import Socks


class Net:
    """What is out there. home takes the site's own mail, bounces too; clearnet is where
    mail goes that goes the normal way; socks is in tor's place."""

    def __init__(self, stack):
        self._stack = stack
        self.home = self.run(Sink())
        self.clearnet = self.run(Sink())
        self.socks = self.run(Socks())

    def run(self, thing):
        self._stack.callback(thing.stop)
        return thing.start()

    def sink(self, **options):
        return self.run(Sink(**options))


@pytest.fixture
def net():
    with contextlib.ExitStack() as stack:
        yield Net(stack)


@pytest.fixture
def make_exim(lab, net):
    """A function that makes an Exim which asks a socket."""

    def make(socket, **options):
        places = {"socks": net.socks, "home": net.home, "clearnet": net.clearnet}
        return Exim(lab.dir, socket, **places, **options)

    return make


RECORDS = (
    srv("srv", (10, 0, 25, onion("srv")))
    + srv("port", (10, 0, 2525, onion("port")))
    + srv("two", (10, 0, 2525, onion("dead")), (20, 0, 2526, onion("alive")))
)

MAP = f"""\
pinned.example {onion("pinned")}
münchen.example {onion("munich")}
ignored.example -
site.example {onion("our own")}
"""


class World:
    """A real tor, a real DNS server (or the test's own) and the daemon."""

    def __init__(self, lab, virtual, *, dns=None, listeners=None, settings=None):
        self.tor = lab.tor(virtual=virtual)
        dns = dns or lab.unbound(RECORDS)
        self.daemon = lab.daemon(
            listeners, dns=dns, tor=self.tor, map=MAP, **(settings or {})
        )

    def virtual(self, seed):
        """The virtual address of an onion name."""
        return self.tor.resolve(onion(seed))


@pytest.fixture
def make_world(lab):
    return lambda virtual="10.192.0.0/10", **options: World(lab, virtual, **options)


@pytest.fixture
def make_postfix(lab, net):
    """A function that makes a Postfix, which is neither configured nor started."""

    def make(name="postfix"):
        places = {"socks": net.socks, "home": net.home, "clearnet": net.clearnet}
        return Postfix(lab.dir, name=name, **places)

    return make
