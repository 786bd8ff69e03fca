"""A real tor that can reach nothing: it maps onion names to virtual addresses, which
needs no network. Its only directory authority is a dead address on loopback."""

from . import dnsmsg
from .onion import onion
from .proc import LOOPBACK, Process, free_port

TORRC = """\
DirAuthority dead orport=1 v3ident=0000000000000000000000000000000000000001 \
127.255.255.254:1 0000000000000000000000000000000000000002
UseDefaultFallbackDirs 0
ClientOnly 1
DataDirectory {data}
DNSPort {host}:{dns_port}
SocksPort {socks}
AutomapHostsOnResolve 1
AutomapHostsSuffixes .onion
VirtualAddrNetworkIPv4 {virtual}
AvoidDiskWrites 1
Log notice stdout
"""


class Tor(Process):
    def __init__(self, workdir, virtual="10.192.0.0/10", socks=False, dns_port=None):
        self.dir = workdir / "tor"
        self.dir.mkdir(mode=0o700)
        (self.dir / "empty").touch()
        self.host = LOOPBACK
        self.dns_port = dns_port or free_port()
        self.socks_port = free_port() if socks else 0
        self.virtual = virtual
        # The name that shows that tor answers; a mapping of its own.
        self._probe = onion("is tor there?")
        torrc = self.dir / "torrc"
        args = ["tor", "--defaults-torrc", self.dir / "empty", "-f", torrc]
        super().__init__(args, self.dir / "log")

    @property
    def address(self):
        return f"{self.host}:{self.dns_port}"

    def start(self):
        socks = f"{self.host}:{self.socks_port}" if self.socks_port else "0"
        data = self.dir / "data"
        data.mkdir(mode=0o700, exist_ok=True)
        (self.dir / "torrc").write_text(
            TORRC.format(
                data=data,
                host=self.host,
                dns_port=self.dns_port,
                socks=socks,
                virtual=self.virtual,
            )
        )
        super().start()
        self.ready(lambda: self.resolve(self._probe, timeout=0.2))
        return self

    def restart(self, virtual=None):
        """Another tor on the same port: all mappings are new."""
        self.kill()
        self.virtual = virtual or self.virtual
        return self.start()

    def resolve(self, name, timeout=5.0):
        """The virtual address of an onion name; None if tor doesn't answer."""
        assert name.endswith(".onion"), "tor would try to look this up"
        reply = dnsmsg.ask(self.host, self.dns_port, name, dnsmsg.A, timeout)
        return reply[1][0] if reply and reply[1] else None
