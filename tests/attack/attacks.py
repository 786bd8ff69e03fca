"""The attacks, and the client that isn't one."""

import os
import shutil
import statistics
import subprocess
import threading
import time
from collections import Counter
from typing import NamedTuple

from harness import bridged
from harness.clients import ROUTE, TEMP
from harness.onion import onion
from harness.proc import LOOPBACK, Process, free_port

from .memory import bound

TARGET = onion("everybody")
RIGHT = 0.95  # of the lookups of others
PAUSE = 0.02  # between two of them
MAP_ROUTES = 2000
NAMES = 1000  # of a mail server, never answered
DELIVERY = 60  # seconds for these, and for a hundred others
ONIONS = 20_000
IDLE_CLIENTS = 2200  # more than there are places
NOBODY = 65534

HEAD = (
    f"{'attack':<46} {'how much':>9} {'asked':>6} {'right':>7} {'median':>8} {'99 %':>8} "
    f"{'before':>7} {'most':>7} {'bound':>7}"
)


class Row(NamedTuple):
    attack: str
    requests: int  # of the strangers, or their connections if it is about these
    latencies: list  # seconds, of what was right
    asked: int
    before: int  # bytes
    most: int
    bound: int
    took: float = 0  # of a mail server's thousand
    wrong: tuple = ()  # how the others ended

    @property
    def held(self):
        enough = self.asked > 0 and len(self.latencies) >= RIGHT * self.asked
        return enough and self.most <= self.bound and self.took <= DELIVERY

    def text(self):
        times = sorted(self.latencies) or [float("nan")]
        median, last = statistics.median(times), times[len(times) * 99 // 100]
        share = len(self.latencies) / self.asked if self.asked else 0
        memory = " ".join(f"{n / 2**20:5.0f} M" for n in self[4:7])
        took = f"  {self.took:.0f} s" if self.took else ""
        wrong = "; ".join(f"{n} {why}" for why, n in Counter(self.wrong).most_common(2))
        return (
            f"{self.attack:<46} {self.requests:>9} {self.asked:>6} {share:>7.1%} "
            f"{median * 1000:>5.1f} ms {last * 1000:>5.0f} ms {memory}"
            f"{took}{'' if self.held else '  FAILED'}{wrong and f'  ({wrong})'}"
        )


class Dns(Process):
    def __init__(self, lab):
        self.address = f"{LOOPBACK}:{free_port()}"
        host, port = self.address.split(":")
        os.environ["TARGET"] = TARGET.removesuffix(".onion")
        super().__init__([lab.dir / "dns", host, port], lab.dir / "dns.log")


class Memory:
    """The most that the daemon takes while this is in force."""

    def __init__(self, daemon):
        self._daemon = daemon
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.before = self.most = daemon.memory()

    def _run(self):
        while not self._stop.wait(0.02):
            self.most = max(self.most, self._daemon.memory())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


class Honest:
    """Asks for one name after the other, each of a zone of its own, until it is told to
    stop. One that calls anew has a connection for each question."""

    serial = 0

    def __init__(self, daemon, listener, name, calls_anew=False):
        self.latencies = []
        self.asked = 0
        self.wrong = []
        self._daemon, self._listener, self._name = daemon, listener, name
        self._calls_anew = calls_anew
        self._client = None

    def ask(self):
        name = self._name(Honest.serial)
        Honest.serial += 1
        self.asked += 1
        start = time.monotonic()
        try:
            if self._client is None or self._calls_anew:
                self._client = self._daemon.client(self._listener)
            answer = self._client.ask(name)
        except (OSError, AssertionError) as error:
            self._client = None  # it was refused, and asks again next time
            self.wrong.append(type(error).__name__)
            return
        if answer.outcome == ROUTE:
            self.latencies.append(time.monotonic() - start)
        else:
            self.wrong.append(answer.value)
        if self._calls_anew:
            self._close()

    def _close(self):
        getattr(self._client, "close", lambda: None)()

    def until(self, finished):
        while not finished():
            self.ask()
            time.sleep(PAUSE)
        self._close()


def cold_name(i):
    return f"mail.{'slow' if i % 10 == 0 else 'good'}{i}.org"


def map_name(i):
    return f"m{i % MAP_ROUTES}.example.net"


class Flood:
    """A program beside the daemon: another user's, if that can be had."""

    def __init__(self, programs, kind, *args):
        self.kind = kind
        user = {"user": NOBODY, "group": NOBODY} if os.getuid() == 0 else {}
        self.child = subprocess.Popen(
            [str(arg) for arg in [programs / "flood", kind, *args]],
            stdout=subprocess.PIPE, text=True, **user)

    def finished(self):
        return self.child.poll() is not None

    def requests(self):
        sent, connections = map(int, self.child.stdout.read().split())
        return connections if self.kind in ("idle", "drip") else sent


class Site:
    """A daemon with its listeners, a DNS server and a map."""

    def __init__(self, lab, programs, seconds):
        self.lab, self.programs, self.seconds = lab, lab.dir, seconds
        # Where another user may enter.
        for name in ("dns", "flood"):
            shutil.copy(programs / name, lab.dir)
        self.dns = lab.run(Dns(lab))
        state = lab.dir / "state"
        state.mkdir()
        route = lambda i: onion(f"map{i}")
        place = {
            "tcp_table": ("tcp_table", f"{LOOPBACK}:{free_port()}", "onion"),
            "socketmap": ("socketmap", f"unix:{lab.dir}/socketmap", "onion"),
            "readsocket": ("readsocket", f"unix:{lab.dir}/readsocket", "bridge"),
            "bridge": ("socketmap", f"unix:{lab.dir}/bridge", "bridge"),
        }
        self.daemon = lab.daemon(
            {name: dict(zip(("protocol", "address", "answer"), row))
             for name, row in place.items()},
            dns=self.dns,
            map="".join(f"m{i}.example.net {route(i)}\n" for i in range(MAP_ROUTES)),
            nofile=16384,
            state_dir=str(state),
            bridge_network=bridged.NET,
            bridge_port=bridged.free_bridge_port(),
            bridge_users=[str(os.getuid())],
            socks=[f"{LOOPBACK}:{free_port()}"],
        )

    def address(self, listener):
        return self.daemon.listeners[listener]

    def flood(self, kind, listener, clients, depth, *rest):
        where = self.address(listener)
        return Flood(self.programs, kind, where["protocol"], where["address"], clients,
                     depth, self.seconds, *rest)

    def row(self, name, flood, honest, clients):
        """honest asks while the flood lasts."""
        with Memory(self.daemon) as memory:
            honest.until(flood.finished)
        return Row(name, flood.requests(), honest.latencies, honest.asked, memory.before,
                   memory.most, bound(self.daemon.settings, clients),
                   wrong=tuple(honest.wrong))


class Nothing:
    """No attack at all."""

    def __init__(self, seconds):
        self._end = time.monotonic() + seconds

    def finished(self):
        return time.monotonic() >= self._end

    def requests(self):
        return 0


def honest(site, listener="tcp_table", name=cold_name, **options):
    return Honest(site.daemon, listener, name, **options)


def nothing(site):
    return site.row("nothing", Nothing(site.seconds / 2), honest(site), 10)


def cold(label, listener, clients, depth, zones, suffix):
    def run(site):
        flood = site.flood("names", listener, clients, depth, zones, suffix)
        return site.row(label, flood, honest(site, listener), clients + 10)

    run.label = label
    return run


def held_places(label, kind):
    """All places of a listener are taken, by another user."""

    def run(site):
        flood = site.flood(kind, "socketmap", IDLE_CLIENTS, "-")
        time.sleep(1)
        asks = honest(site, "socketmap", calls_anew=True)
        return site.row(label, flood, asks, IDLE_CLIENTS)

    run.label = label
    return run


def onions(site):
    names = site.lab.dir / "onions"
    names.write_text("".join(f"{onion(f'stranger{i}')}\n" for i in range(ONIONS)))
    flood = site.flood("onions", "bridge", 4, 16, names)
    return site.row("bridge addresses for strangers' onions", flood,
                    honest(site, "bridge", map_name), 10)


class MailServer(threading.Thread):
    """One connection, on which names are asked for one after the other."""

    def __init__(self, site, dead):
        super().__init__()
        self.daemon = site.daemon
        self.dead = dead
        self.latencies, self.late = [], []
        self.took = self.asked = 0

    def run(self):
        client = self.daemon.client("tcp_table")
        began = time.monotonic()
        for i in range(NAMES):
            client.ask(self.dead(i))
            if i % (NAMES // 100) == 0:
                self._ask_good(client, f"mail.{'slow' if i % 7 == 0 else ''}{id(self)}x{i}.org")
        self.took = time.monotonic() - began
        # What wasn't right at once is so at the next asking, or the whole doesn't count.
        if any(client.ask(name).outcome != ROUTE for name in self.late):
            self.took = float("inf")
        client.close()

    def _ask_good(self, client, name):
        self.asked += 1
        start = time.monotonic()
        answer = client.ask(name)
        if answer.outcome == ROUTE:
            self.latencies.append(time.monotonic() - start)
        else:
            assert answer.outcome == TEMP, answer
            self.late.append(name)


def mail_servers(site):
    """Two at a time, since it takes a minute."""
    servers = {
        "one mail server, 1,000 names of a dead zone":
            MailServer(site, "n{}.onedead.example".format),
        "one mail server, names of 1,000 dead zones":
            MailServer(site, "mail.dead{}.example".format),
    }
    with Memory(site.daemon) as memory:
        for server in servers.values():
            server.start()
        for server in servers.values():
            server.join()
    for name, server in servers.items():
        yield Row(name, NAMES, server.latencies, server.asked, memory.before, memory.most,
                  bound(site.daemon.settings, 10), server.took)


nothing.label = "nothing"
onions.label = "bridge addresses"
mail_servers.label = "one mail server"

ATTACKS = [
    nothing,
    cold("cold names of a dead zone", "tcp_table", 100, 64, 1, "dead.example"),
    cold("cold names of 1,000 dead zones", "tcp_table", 100, 64, 1000, "dead"),
    cold("cold names, each of a dead zone of its own", "tcp_table", 100, 64, 0, "dead"),
    cold("cold names that don't exist", "tcp_table", 100, 64, 1000, "gone"),
    cold("dead names on 1,000 connections", "tcp_table", 1000, 1, 1000, "dead"),
    cold("dead names, each by a connection (readsocket)", "readsocket", 1500, 1, 0, "dead"),
    held_places("idle clients in all places", "idle"),
    held_places("clients that drip in all places", "drip"),
    onions,
    mail_servers,
]


def run(lab, programs, seconds, wanted):
    """Prints a row for each as it ends, and returns them all."""
    site = Site(lab, programs, seconds)
    rows = []
    print(HEAD, flush=True)
    for attack in ATTACKS:
        if wanted and not any(attack.label.startswith(prefix) for prefix in wanted):
            continue
        done = attack(site)
        for row in [done] if isinstance(done, Row) else done:
            rows.append(row)
            print(row.text(), flush=True)
    return rows
