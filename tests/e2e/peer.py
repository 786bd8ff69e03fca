"""What uses the relays of a Tor network: onion services and clients."""

import json
import re
import shutil
from pathlib import Path

from harness import dnsmsg
from harness.proc import LOOPBACK, free_port

from .node import Node

# With entry guards, tor builds circuits to an onion service whose first and last relay are
# the same; among four relays that's often, no relay accepts it, and each costs a second.
PEER = """\
DisableNetwork 1
UseEntryGuards 0
VanguardsLiteEnabled 0
LearnCircuitBuildTimeout 0
CircuitBuildTimeout 60
"""

SERVICE = """\
HiddenServiceDir {dir}/onions/{name}
HiddenServiceNumIntroductionPoints 3
"""

# What conf/torrc has, for a client that isn't given a text.
CLIENT_PORTS = """\
DNSPort {host}:{dns_port}
AutomapHostsOnResolve 1
AutomapHostsSuffixes .onion
VirtualAddrNetworkIPv4 {virtual}
SocksPort {host}:{socks_port} IsolateSOCKSAuth ExtendedErrors
"""


class Peer(Node):
    """A tor that uses the relays. It begins with the directory of the network, which
    saves it the retries of a download, and without using it: up() gives the word, as
    soon as the relays are there, so that no event is missed and no attempt in vain."""

    events = ""

    def torrc(self):
        return super().torrc() + PEER

    def prepare(self):
        super().prepare()
        data = self.dir / "data"
        if not (data / "cached-microdesc-consensus").exists():
            for path in self.network.seed.iterdir():
                shutil.copy(path, data)
        self._asked = False

    def up(self):
        if not self.listens():
            return False
        if not self._asked:
            self.control.command(f"SETEVENTS {self.events}")
            self.control.command("SETCONF DisableNetwork=0")
            self._asked = True
        return True

    def _own(self, text):
        """Lines that a test gives: @DIR@ is the directory of this tor."""
        return text.replace("@DIR@", str(self.dir))


class Service(Peer):
    """Offers onion services: name -> {"ports": {port: "HOST:PORT"}, "circuit_id": bool}.
    circuit_id: connections begin with a line of the PROXY protocol that has the number
    of the circuit. torrc: the text that has them, in place of onions, with each
    HiddenServiceDir below @DIR@; its last part is the name."""

    events = "HS_DESC"

    def __init__(self, network, name, onions=None, torrc="", extra=""):
        super().__init__(network, name)
        spec = {"onions": onions or {}, "torrc": torrc, "extra": extra}
        # As it is when it comes from a snapshot: the ports are text.
        self.spec = json.loads(json.dumps(spec))

    def torrc(self):
        text = super().torrc() + "SocksPort 0\n"
        for name, offer in self.spec["onions"].items():
            text += SERVICE.format(dir=self.dir, name=name)
            for port, target in offer["ports"].items():
                text += f"HiddenServicePort {port} {target}\n"
            if offer.get("circuit_id"):
                text += "HiddenServiceExportCircuitID haproxy\n"
        return text + self._own(self.spec["torrc"] + self.spec["extra"])

    def prepare(self):
        super().prepare()
        text = (self.dir / "torrc").read_text()
        self._dirs = [Path(d) for d in re.findall(r"^HiddenServiceDir (.*)$", text, re.M)]
        for path in self._dirs:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def hostname(self, name):
        """The onion name of one of its services, as soon as tor has made it."""
        [file] = [path / "hostname" for path in self._dirs if path.name == name]
        if not file.exists():
            self.ready(file.exists)
        return file.read_text().strip()

    def up(self):
        """Both descriptors of each onion are where the clients look for them."""
        if not super().up():
            return False
        # The events that have come are before the answer.
        self.control.get("version")
        return all(self._published(path.name) for path in self._dirs)

    def _published(self, name):
        address = self.hostname(name).removesuffix(".onion")
        events = [event.split() for event in self.control.events]
        mine = [e for e in events if len(e) > 4 and e[0] == "HS_DESC" and e[2] == address]
        begun = [e for e in mine if e[1] == "UPLOAD"]
        done = [e for e in mine if e[1] == "UPLOADED"]
        return len({e[5] for e in begun}) >= 2 and len(done) >= len(begun)


class Client(Peer):
    """A tor with a DNSPort and a SocksPort. torrc: the text that has them, in place of
    its own. trans: a TransPort, too. control: a control port without authentication."""

    def __init__(
        self,
        network,
        name,
        virtual="10.192.0.0/10",
        torrc=None,
        trans=False,
        control=False,
        extra="",
    ):
        super().__init__(network, name)
        self.spec = {
            "virtual": virtual,
            "torrc": torrc,
            "trans": trans,
            "control": control,
            "extra": extra,
        }
        self.host = LOOPBACK
        self.dns_port, self.socks_port = free_port(), free_port()
        self.trans_port = free_port() if trans else 0
        self.control_port = free_port() if control else 0

    def torrc(self):
        own = CLIENT_PORTS.format(
            host=self.host,
            dns_port=self.dns_port,
            socks_port=self.socks_port,
            virtual=self.spec["virtual"],
        )
        text = super().torrc() + "ClientOnly 1\n"
        text += own if self.spec["torrc"] is None else self._own(self.spec["torrc"])
        if self.trans_port:
            text += f"TransPort {self.host}:{self.trans_port}\n"
        if self.control_port:
            text += f"ControlPort {self.host}:{self.control_port}\n"
        return text + self._own(self.spec["extra"])

    def up(self):
        """It has a circuit."""
        if not super().up():
            return False
        if self.spec["torrc"] is not None:
            self.host, self.dns_port = self.control.listeners("dns")[0]
            self.socks_port = self.control.listeners("socks")[0][1]
        return self.control.get("status/circuit-established") == "1"

    @property
    def address(self):
        """Where the DNSPort is, as the daemon's configuration wants it."""
        return f"{self.host}:{self.dns_port}"

    @property
    def socks(self):
        return self.host, self.socks_port

    def resolve(self, name, timeout=5.0):
        """The virtual address of an onion name; None if tor doesn't answer."""
        assert name.endswith(".onion"), "tor would try to look this up"
        reply = dnsmsg.ask(self.host, self.dns_port, name, dnsmsg.A, timeout)
        return reply[1][0] if reply and reply[1] else None
