"""A private Tor network on loopback: four relays, one of them the only directory
authority, and as many clients and onion services as a test wants.

    with Network(directory) as network:
        network.build()                       # or network.restore(file)
        service = network.service("mx", {"a": {"ports": {25: "127.0.0.1:2525"}}})
        client = network.client("client")
        network.wait()
        client.resolve(service.hostname("a"))

Nothing leaves loopback: no relay but these is known to any of them. Tor itself takes
no ports but those given here, and all processes die with the one that started them."""

import contextlib
import json
import os
import random
import signal
import socket
import tarfile
from pathlib import Path

from harness.proc import wait_until

from . import authority
from .node import DIR_PORT, OR_PORT, Relay
from .peer import Client, Service

# Onion circuits are four hops long.
RELAYS = ("authority", "relay2", "relay3", "relay4")

# How long starting may take.
LIMIT = 40

KINDS = {"service": Service, "client": Client}

# The process that holds a network which was started from the shell.
KEEPER = "keeper.pid"

# What a snapshot doesn't have: what belongs to a run, and what tor can do without.
NOT_KEPT = {"log", "control", "torrc", "diff-cache", "lock", KEEPER}


class TornetError(AssertionError):
    """With the ends of all logs."""


def free_base():
    """127.A.B on which no relay's port is taken. Neither harness.proc's addresses nor
    tor's virtual ones begin like that."""
    while True:
        base = f"127.{random.randrange(110, 190)}.{random.randrange(256)}"
        if not _taken(base):
            return base


def _taken(base):
    """The ports of the relays on which something listens."""
    taken = []
    for number in range(1, len(RELAYS) + 1):
        for port in (OR_PORT, DIR_PORT):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((f"{base}.{number}", port))
                except OSError:
                    taken.append(f"{base}.{number}:{port}")
    return taken


class Network:
    def __init__(self, directory):
        self.dir = Path(directory).resolve()
        self.empty = self.dir / "empty"
        self.resolv = self.dir / "resolv.conf"
        self.seed = self.dir / "seed"
        self.base = None
        self.offset = None
        self.dir_authority = None
        self.relays = []
        self.peers = {}

    # Starting

    def build(self):
        """Makes a network from nothing: its relays are up, and in the consensus."""
        self._make_directory()
        self.base = free_base()
        self.offset = authority.far_offset()
        self._make_relays()
        with self._explained():
            first, *others = self.relays
            self.dir_authority = authority.make_keys(self, first)
            directory = authority.Directory(first)
            first.start()
            first.ready(lambda: directory.get("/tor/server/all"), LIMIT)
            for relay in others:
                relay.launch()
            self._wait_for(lambda: directory.knows(len(self.relays)), "the relays")
            consensus = directory.vote(self)
            authority.check_consensus(consensus, len(self.relays))
            directory.seed(self.seed, consensus)
        self._save()
        return self

    def restore(self, file):
        """Makes it from a snapshot, and starts all that was in it. Doesn't wait for it;
        wait() does."""
        self._make_directory()
        with tarfile.open(file) as archive:
            archive.extractall(self.dir)
        return self.start()

    def start(self):
        """Starts a stopped network again, from its directory. Doesn't wait, either."""
        self._load()
        with self._explained():
            taken = _taken(self.base)
            assert not taken, f"already in use: {taken}"
            for node in self.nodes():
                node.launch()
        return self

    def service(self, name, onions=None, **options):
        """Adds a tor with onion services, see Service. wait() waits for it."""
        return self._add(Service(self, name, onions, **options))

    def client(self, name, **options):
        """Adds a client, see Client. wait() waits for it."""
        return self._add(Client(self, name, **options))

    def wait(self):
        """Until every service's descriptors are published, and every client is ready."""
        with self._explained():
            for relay in self.relays:
                relay.ready(relay.up, LIMIT)
            peers = self.peers.values()
            self._wait_for(lambda: all([peer.up() for peer in peers]), "all of it")
        return self

    def _add(self, peer):
        assert peer.name not in {node.name for node in self.nodes()}, peer.name
        self.peers[peer.name] = peer
        self._save()
        with self._explained():
            peer.launch()
        return peer

    # Ending

    def stop(self):
        """Ends all of its processes; the directory stays."""
        running = [node for node in self.nodes() if node.alive()]
        for node in running:
            node.hang_up()
            node.signal(signal.SIGCONT)
            node.signal(signal.SIGTERM)
        for node in running:
            node.stop()

    def kill(self):
        """The same, and at once."""
        for node in self.nodes():
            if node.child is not None:
                node.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    # Snapshots

    def snapshot(self, file):
        """Writes what restore() needs into a file. A running network holds its breath."""
        running = [node for node in self.nodes() if node.alive()]
        write_snapshot(self.dir, file, [node.pid for node in running])
        return file

    # Looking at it

    def nodes(self):
        return [*self.relays, *self.peers.values()]

    def pids(self):
        return [node.pid for node in self.nodes() if node.alive()]

    def logs(self, lines=15):
        """The end of each log."""
        return logs(self.dir, lines)

    # Inside

    @contextlib.contextmanager
    def _explained(self):
        """What fails ends the network, and says what tor said."""
        try:
            yield
        except (AssertionError, OSError, RuntimeError) as error:
            self.kill()
            raise TornetError(f"{error}\n{self.logs()}") from error
        except BaseException:
            self.kill()
            raise

    def _wait_for(self, condition, what):
        def check():
            dead = [n.name for n in self.nodes() if n.child and not n.alive()]
            assert not dead, f"died: {dead}"
            return condition()

        wait_until(check, what, LIMIT)

    def _make_directory(self):
        self.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = [path.name for path in self.dir.iterdir() if path.name != KEEPER]
        assert not there, f"{self.dir} isn't empty"

    def _make_relays(self):
        self.empty.touch()
        self.resolv.write_text("nameserver 127.0.0.1\n")
        self.relays = [Relay(self, name, n) for n, name in enumerate(RELAYS, 1)]

    def _save(self):
        peers = {
            name: {"kind": type(peer).__name__.lower(), "options": peer.spec}
            for name, peer in self.peers.items()
        }
        state = {
            "base": self.base,
            "offset": self.offset,
            "dir_authority": self.dir_authority,
            "peers": peers,
        }
        (self.dir / "network.json").write_text(json.dumps(state, indent=1) + "\n")

    def _load(self):
        state = json.loads((self.dir / "network.json").read_text())
        self.base = state["base"]
        self.offset = state["offset"]
        self.dir_authority = state["dir_authority"]
        self._make_relays()
        self.peers = {
            name: KINDS[peer["kind"]](self, name, **peer["options"])
            for name, peer in state["peers"].items()
        }


def logs(directory, lines=15):
    text = ""
    for path in sorted(Path(directory).glob("*/log")):
        tail = path.read_text(errors="replace").splitlines()[-lines:]
        text += "\n".join([f"--- {path.relative_to(directory)}", *tail, ""])
    return text


def write_snapshot(directory, file, pids):
    """No process may write while it is read."""

    def keep(entry):
        return None if Path(entry.name).name in NOT_KEPT else entry

    partial = Path(f"{file}.new")
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: all(map(_stopped, pids)), "the network to hold its breath")
        with tarfile.open(partial, "w") as archive:
            for path in sorted(Path(directory).iterdir()):
                archive.add(path, path.name, filter=keep)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    partial.rename(file)


def _stopped(pid):
    state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return state == "T"
