"""A place for one test: a directory, and what runs in it."""

import contextlib
from pathlib import Path

from .daemon import Daemon, listeners_in
from .dnsmasq import Dnsmasq
from .lossy import Lossy
from .mapfile import compile_map
from .nsd import Nsd
from .scripted import ScriptedDns
from .scripted_socks import ScriptedSocks
from .tor import Tor
from .unbound import Unbound
from .validating import Validating


class Lab:
    """Starts things in its directory; close() stops them, the last one first."""

    def __init__(self, workdir):
        self.dir = Path(workdir)
        self._stack = contextlib.ExitStack()
        self._daemons = []

    def run(self, thing):
        """Anything that has start() and stop(). Returns it."""
        self._stack.callback(thing.stop)
        thing.start()
        return thing

    def tor(self, **options):
        return self.run(Tor(self.dir, **options))

    def unbound(self, records="", **options):
        return self.run(Unbound(self.dir, records, **options))

    def nsd(self, zones, **options):
        return self.run(Nsd(self.dir, zones, **options))

    def dnsmasq(self, nsd, *options):
        """A forwarder to the nsd."""
        probe = f"probe.{nsd.zones[-1].name}"
        return self.run(Dnsmasq(self.dir, nsd, probe, *options))

    def validating(self, zones, anchors=()):
        """An unbound that validates, and the nsd of its zones."""
        return self.run(Validating(self.dir, self.nsd(zones), anchors))

    def lossy(self, resolver, **options):
        return self.run(Lossy(self.dir, resolver, **options))

    def dns(self, **options):
        return self.run(ScriptedDns(**options))

    def socks(self):
        return self.run(ScriptedSocks())

    def listeners(self, **options):
        return listeners_in(self.dir, **options)

    def daemon(self, listeners=None, **options):
        """A running daemon. map may be the text of a map: it is compiled first."""
        daemon = self.make_daemon(listeners, **options)
        return self.run(daemon)

    def make_daemon(self, listeners=None, **options):
        """The same, but not started."""
        if isinstance(options.get("map"), str) and options["map"]:
            options["map"] = self.map(options["map"])
        daemon = Daemon(self.dir, listeners, **options)
        self._daemons.append(daemon)
        self._stack.callback(daemon.stop)
        return daemon

    def map(self, text):
        """Compiles the lab's map, replacing the one that is there."""
        return compile_map(text, self.dir / "domains.cdb")

    def logs(self):
        """The end of each log, without what is only there because the test asked."""
        text = ""
        for path in [*self.dir.glob("*.log"), *self.dir.glob("*/log")]:
            lines = path.read_text(errors="replace").splitlines()
            lines = [line for line in lines if "counter" not in line][-40:]
            text += "\n".join([f"--- {path.relative_to(self.dir)}", *lines, ""])
        return text

    def close(self):
        for daemon in self._daemons:
            daemon.hang_up()
        self._stack.close()
