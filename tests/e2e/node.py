"""The processes of a Tor network; the relays, the authority among them."""

from harness.proc import Process

from .control import Control

OR_PORT, DIR_PORT = 9001, 9030

# No relay may look at the machine's resolv.conf: tor connects sockets to what is there.
COMMON = """\
{authority}
TestingTorNetwork 1
UseDefaultFallbackDirs 0
DataDirectory {dir}/data
ControlSocket {dir}/control
GeoIPFile {empty}
GeoIPv6File {empty}
ServerDNSResolvConfFile {resolv}
ServerDNSDetectHijacking 0
DisableDebuggerAttachment 0
NumCPUs 1
ShutdownWaitLength 0
SafeLogging 0
Log notice stdout
"""

RELAY = """\
Nickname {name}
Address {host}
OutboundBindAddress {host}
ORPort {host}:{or_port}
AddressDisableIPv6 1
ExitRelay 0
ExitPolicy reject *:*
AssumeReachable 1
SocksPort 0
"""

# A vote is held only when the network asks for it (see authority.py).
AUTHORITY = """\
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
DirPort {host}:{dir_port}
AuthDirTestReachability 0
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
TestingV3AuthInitialVotingInterval 1800
TestingV3AuthInitialVoteDelay 2
TestingV3AuthInitialDistDelay 2
TestingV3AuthVotingStartOffset {offset}
V3AuthVotingInterval 3600
"""


class Node(Process):
    """A tor of a network, in a directory of its own."""

    def __init__(self, network, name):
        self.network = network
        self.name = name
        self.dir = network.dir / name
        self._control = None
        torrc = self.dir / "torrc"
        args = ["tor", "--defaults-torrc", network.empty, "-f", torrc]
        super().__init__(args, self.dir / "log")

    @property
    def control(self):
        if self._control is None:
            self._control = Control(self.dir / "control")
        return self._control

    def torrc(self):
        return COMMON.format(
            authority=self.network.dir_authority,
            dir=self.dir,
            empty=self.network.empty,
            resolv=self.network.resolv,
        )

    def prepare(self):
        """Writes its configuration."""
        for directory in (self.dir, self.dir / "data"):
            directory.mkdir(mode=0o700, exist_ok=True)
        (self.dir / "torrc").write_text(self.torrc())

    def launch(self):
        self.prepare()
        (self.dir / "control").unlink(missing_ok=True)
        return super().launch()

    def start(self):
        self.launch()
        self.ready(self.up)
        return self

    def listens(self):
        """Its control socket takes a connection."""
        try:
            return self.control
        except OSError:
            return None

    def up(self):
        """It does what it is there for. A relay takes connections as soon as it answers
        here; it needs no consensus for what it does."""
        return self.listens()

    def hang_up(self):
        if self._control is not None:
            self._control.close()
            self._control = None

    def stop(self):
        self.hang_up()
        return super().stop()

    def kill(self):
        self.hang_up()
        return super().kill()

    def restart(self):
        """Killed and started again, with the same configuration."""
        self.kill()
        return self.start()


class Relay(Node):
    """The n-th one; the first is the authority."""

    def __init__(self, network, name, number):
        super().__init__(network, name)
        self.host = f"{network.base}.{number}"
        self.is_authority = number == 1

    def torrc(self):
        text = super().torrc()
        text += RELAY.format(name=self.name, host=self.host, or_port=OR_PORT)
        if self.is_authority:
            offset = self.network.offset
            text += AUTHORITY.format(host=self.host, dir_port=DIR_PORT, offset=offset)
        return text
