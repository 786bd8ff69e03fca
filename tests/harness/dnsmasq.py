"""A real forwarder with a cache, as home routers and many servers have it."""

from . import dnsmsg
from .proc import LOOPBACK, Process, free_port


class Dnsmasq(Process):
    """Forwards to the server, which has the name probe. The options are dnsmasq's own,
    without their dashes."""

    def __init__(self, workdir, server, probe, *options):
        self.host, self.port = LOOPBACK, free_port()
        self.probe = probe
        options = (
            "keep-in-foreground",
            "conf-file=/dev/null",
            "user=root",
            "pid-file=",
            "log-facility=-",
            "log-queries",
            "no-hosts",
            "no-resolv",
            "bind-interfaces",
            f"listen-address={self.host}",
            f"port={self.port}",
            f"server={server.host}#{server.port}",
            *options,
        )
        args = [f"--{option}" for option in options]
        super().__init__(["dnsmasq", *args], workdir / "dnsmasq.log")

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def start(self):
        super().start()
        self.ready(self._answers)
        return self

    def count(self, how, name):
        """How many times it has "forwarded" a question for the name, or had the answer
        "cached"."""
        line = f": {how} {name} "
        return sum(line in said for said in self.output().splitlines())

    def _answers(self):
        reply = dnsmsg.ask(self.host, self.port, self.probe, dnsmsg.A, 0.2)
        return reply and reply[1]
