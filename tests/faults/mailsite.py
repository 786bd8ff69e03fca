"""A daemon with all that it talks to, what it is asked, and what it may answer: whatever
fails, an answer is the right one or a temporary failure."""

import contextlib
import hashlib
import os
import signal
import socket
import time
from collections import Counter

from harness import behaviours as does
from harness import dnsmsg
from harness.bridged import NET, free_bridge_port, reset_at_close
from harness.clients import FAIL, NONE, ROUTE, TEMP, connect, read_all
from harness.clients import parse_readsocket, parse_socketmap, parse_tcp_table
from harness.daemon import ONIONMXD, Daemon
from harness.mapfile import compile_map
from harness.onion import mistyped, onion
from harness.proc import BUILD, LOOPBACK, SLACK, free_port, wait_until
from harness.scripted_socks import ScriptedSocks, connected, echo, speaks_first

from shim import Shim

LISTENERS = ("readsocket", "tcp_table", "socketmap")
MAP = ".map.example {}\nnever.example -\nnow.example {}\n"
CHANGING = ("changed.example", "gone.example")
PARSE = {"readsocket": parse_readsocket, "tcp_table": parse_tcp_table}
FAULTY = BUILD / "tests/faults/onionmxd"  # with sanitizers, see wrap.c
LOST = b"421 "
PAYLOAD = b"x" * 99_998 + b"\r\n"


class Hang(AssertionError):
    pass


def address_of(host):
    """What the scripted tor says."""
    return bytes([10, 192]) + hashlib.sha256(host.encode()).digest()[:2]


def route_of_name(q):
    return does.one(q.name.split(".")[2])(q)


def answer_of_tor(q):
    return does.one_record(dnsmsg.A, address_of(q.name.lower()))(q)


class Socks(ScriptedSocks):
    """Each onion service says its name first."""

    def behaviour(self, host):
        return connected(speaks_first(b"220 %s\r\n" % host.encode(), echo))


class Site:
    def __init__(self, lab):
        self.lab = lab
        self.shim = Shim(lab.dir)
        self.serial = 0
        self.maps = []  # what now.example may be in force as
        self.places = {}  # of the bridge, by domain: for ever
        self.pinned = set()
        self._scripts()
        self.new_map()
        (lab.dir / "state").mkdir()
        self.daemon = None
        self.listeners = {
            name: dict(protocol=name, address=address, answer=answer, deadline_ms=2000)
            for name, address, answer in (
                ("readsocket", f"unix:{lab.dir}/exim.sock", "address"),
                ("tcp_table", f"{LOOPBACK}:{free_port()}", "onion"),
                ("socketmap", f"unix:{lab.dir}/map.sock", "bridge"),
            )
        }
        self.port = free_bridge_port()

    def _scripts(self):
        self.dns = self.lab.dns()
        self.dns.below("dns.example", route_of_name)
        self.dns.below("none.example", does.nxdomain())
        self.dns.below("tcp.example", does.truncated(route_of_name))
        self.dns.on("changed.example", does.one("before", ttl=0))
        self.dns.on("gone.example", does.one("before", ttl=0))
        self.dns.root = does.nodata()
        self.tor = self.lab.dns(prefix="")
        self.tor.below("onion", answer_of_tor)
        self.socks = self.lab.run(Socks())

    # The daemon

    def make(self):
        self.daemon = Daemon(
            self.lab.dir,
            self.listeners,
            dns=self.dns,
            tor=self.tor,
            map=self.lab.dir / "domains.cdb",
            prefix=self.shim.prefix,
            state_dir=str(self.lab.dir / "state"),
            bridge_network=NET,
            bridge_addresses=60000,
            bridge_port=self.port,
            bridge_users=[str(os.getuid())],
            socks=[self.socks.address],
            pin_srv="yes",
            cache_save=1,
            min_ttl=0,
            max_stale=0,
            failure_ttl=1,
            dns_timeout_ms=300,
            dns_tries=2,
            tor_timeout_ms=100,
            client_timeout_ms=2000,
        )
        if FAULTY.exists():
            self.daemon.args[self.daemon.args.index(ONIONMXD[-1])] = str(FAULTY)
        return self.daemon

    def start(self):
        """Without a fault, over the state that is there."""
        self.shim.forget()
        self.make().start()
        return self

    def try_start(self, fault):
        """Whether it has started; if not it has said why, and ended."""
        self.shim.forget()
        self.shim.arm(fault)
        daemon = self.make()
        before = len(daemon.output())
        super(Daemon, daemon).start()
        said = lambda: daemon.output()[before:]
        over = lambda: not daemon.alive() or "ready, " in said()
        wait_until(over, "a start or an end")
        if "ready, " in said():
            return True
        status = daemon.child.wait()
        if "nss_database.c:" in said():
            return False  # glibc 2.36 asserts that it has memory to find a user by name
        assert status > 0, f"died of signal {-status}:\n{said()}"
        assert said().strip(), f"exit status {status}, and no word why"
        daemon.check_log()
        return False

    def begin(self):
        """The names whose DNS records change once they are pinned."""
        for name in CHANGING:
            assert self.answered("tcp_table", name).hosts() == [onion("before")]
        self.dns.on("changed.example", does.one("after", ttl=0))
        self.dns.on("gone.example", does.nxdomain(ttl=0, minimum=0))
        self.pinned |= set(CHANGING)

    def kill(self):
        self.daemon.kill()
        self.shim.disarm()

    def restart(self):
        self.kill()
        self.start()

    def end(self):
        """Sanitizers say whether memory was lost."""
        self.remember()
        self.daemon.terminate()

    def remember(self):
        """What is there still after a restart."""
        self.pinned |= self.pins()

    def end_badly(self):
        """Sockets may be left: the next start removes them."""
        self.daemon.signal(signal.SIGTERM)
        status = self.daemon.wait()
        assert status == 0, self.death()
        self.daemon.check_log()

    # Maps

    def new_map(self):
        self.serial += 1
        self.maps = self.maps[-1:] + [f"now{self.serial}"]
        text = MAP.format(onion("map"), onion(self.maps[-1]))
        compile_map(text, self.lab.dir / "domains.cdb")

    def fresh(self):
        self.serial += 1
        return self.serial

    # Questions

    def ask(self, listener, name, patience=8):
        client = self.daemon.client(listener)
        with connect(client.address, patience * SLACK) as s:
            s.sendall(client.request(name))
            return read_answer(s, listener)

    def answered(self, listener, name):
        """On a busy machine DNS may be too late the first time."""
        definite = lambda: (a := self.ask(listener, name)).outcome != TEMP and a
        return wait_until(definite, f"an answer for {name}")

    def questions(self):
        """[(name, the onion it leads to, or an outcome)...]"""
        n = self.fresh()
        return [
            (f"d{n}.dns.example", onion(f"d{n}")),
            (f"t{n}.tcp.example", onion(f"t{n}")),
            (f"u@x{n}.map.example", onion("map")),
            (f"n{n}.none.example", NONE),
            ("never.example", NONE),
            (onion("self"), onion("self")),
            (mistyped("self"), FAIL),
            ("changed.example", onion("before")),
            ("gone.example", onion("before")),
        ]

    def check(self, listener, name, answer, wanted, strictly):
        if answer.outcome == TEMP and not strictly:
            return
        told = f"{listener}: {name}: {answer}, not {wanted}"
        if wanted in (NONE, FAIL):
            assert answer.outcome == wanted, told
            return
        assert answer.outcome == ROUTE, told
        host, port = answer.targets()[0]
        if listener == "tcp_table":
            assert host == wanted, told
        elif listener == "readsocket":
            assert host == ".".join(map(str, address_of(wanted))), told
        else:
            place = self.places.setdefault(name, (host, port))
            assert place == (host, port), f"{told}: it was {place}"

    def check_now(self, answer, strictly):
        if answer.outcome == TEMP and not strictly:
            return
        allowed = self.maps[-1:] if strictly else self.maps
        assert answer.outcome == ROUTE, answer
        assert answer.hosts()[0] in [onion(x) for x in allowed], answer

    def ask_all(self, strictly, patience):
        for listener in LISTENERS:
            for name, wanted in self.questions():
                with self.failing(strictly, patience):
                    answer = self.ask(listener, name, patience)
                    self.check(listener, name, answer, wanted, strictly)
        with self.failing(strictly, patience):
            answer = self.ask("tcp_table", "now.example", patience)
            self.check_now(answer, strictly)

    def ask_ahead(self, strictly, patience):
        """All at once on one connection, answered in order."""
        client = self.daemon.client("tcp_table")
        questions = self.questions()
        with self.failing(strictly, patience), connect(client.address, patience * SLACK) as s:
            s.sendall(b"".join(client.request(name) for name, _ in questions))
            with s.makefile("rb") as file:
                for name, wanted in questions:
                    line = file.readline()
                    if not line.endswith(b"\n"):
                        raise ConnectionError("closed")
                    answer = parse_tcp_table(line)
                    self.check("tcp_table", name, answer, wanted, strictly)

    @contextlib.contextmanager
    def failing(self, strictly, patience):
        """While calls fail a client may lose its connection; it never waits in vain, if the
        fault is over by then."""
        try:
            yield
        except TimeoutError as error:
            if strictly or patience > 1:
                raise Hang("no answer") from error
        except ConnectionError as error:
            if strictly:
                raise AssertionError(f"no answer: {error!r}") from error

    # The bridge

    def cross(self, strictly, patience):
        """What comes back is what was sent, up to where it was cut off."""
        name = f"d{self.fresh()}.dns.example"
        wanted = onion(name.split(".")[0])
        with self.failing(strictly, patience):
            answer = self.ask("socketmap", name, patience)
            self.check("socketmap", name, answer, wanted, strictly)
            if answer.outcome != ROUTE:
                return
            whole = b"220 %s\r\n" % wanted.encode() + PAYLOAD
            heard = self.echoed(answer.targets()[0], len(whole), patience)
            if strictly:
                assert heard == whole, f"{len(heard)} of {len(whole)} bytes: {heard[:200]}"
            words = heard[: heard.find(LOST)] if LOST in heard else heard
            assert whole.startswith(words), f"through the bridge: {heard[:300]}"

    def echoed(self, place, length, patience):
        """Up to the end, or so many bytes, or the news that the server has gone."""
        heard = bytearray()
        with socket.create_connection(place) as s:
            s.settimeout(patience * SLACK)
            reset_at_close(s)
            with contextlib.suppress(ConnectionError):
                s.sendall(PAYLOAD)
                while len(heard) < length and LOST not in heard:
                    if not (chunk := s.recv(1 << 20)):
                        break
                    heard += chunk
        return bytes(heard)

    # Control

    def tell(self, command, strictly=True, patience=8):
        """What it prints."""
        with self.failing(strictly, patience):
            with connect(self.daemon.settings["control"], patience * SLACK) as s:
                s.sendall(command.encode() + b"\n")
                head, _, text = read_all(s).partition(b"\n")
                if strictly:
                    word, length = head.split()
                    assert word == b"ok" and int(length) == len(text), head
                return text.decode()
        return ""

    def control(self, strictly, patience):
        said = self.tell("counters", strictly, patience)
        assert not strictly or "answers_route " in said
        said = self.tell(f"explain d{self.fresh()}.dns.example", strictly, patience)
        assert not strictly or ".onion:25" in said, said

    # All of it

    def work(self, patience=8):
        """While calls fail."""
        self.new_map()
        self.daemon.signal(signal.SIGHUP)
        self.ask_all(False, patience)
        self.ask_ahead(False, patience)
        self.cross(False, patience)
        self.control(False, patience)
        assert self.daemon.alive(), self.death()

    def healthy(self):
        """When the fault is over, all is well again."""
        end = time.monotonic() + 20 * SLACK
        while True:
            assert self.daemon.alive(), self.death()
            try:
                with self.asked_once():
                    self.ask_all(True, 8)
                    self.ask_ahead(True, 8)
                    self.cross(True, 8)
                    self.control(True, 8)
                break
            except Hang:
                raise
            except (AssertionError, OSError, ValueError):
                if time.monotonic() > end:
                    raise
            time.sleep(0.05)
        self.maps = self.maps[-1:]

    @contextlib.contextmanager
    def asked_once(self):
        """The daemon has read each answer. Routes that change aren't kept."""
        servers = [(server, len(server.seen)) for server in (self.dns, self.tor)]
        yield
        for server, before in servers:
            asked = Counter((q.name, q.qtype, q.tcp) for q in server.seen[before:])
            again = [name for (name, *_), n in asked.items() if n > 1]
            again = [x for x in again if not x.endswith((*CHANGING, onion("before")))]
            assert not again, f"asked more than once: {again}"

    def pins(self):
        return {line.split()[0] for line in self.tell("pins").splitlines()}

    def saved(self, must=True):
        """Waits for the next time that the cache is, or for somewhat more than cache_save."""
        cache = self.lab.dir / "state/cache"
        state = lambda: cache.exists() and (cache.stat().st_ino, cache.stat().st_mtime_ns)
        before, end = state(), time.monotonic() + 1.3
        over = lambda: not must and time.monotonic() > end
        wait_until(lambda: state() != before or over(), "the cache to be saved")
        assert self.daemon.alive(), self.death()

    def kept(self):
        """After a restart: bridge addresses are what they were, and so are pins."""
        for name, place in self.places.items():
            answer = self.answered("socketmap", name)
            assert answer.outcome == ROUTE, f"{name}: {answer}"
            assert answer.targets() == [place], f"{name}: {answer}, it was {place}"
        lost = self.pinned - self.pins()
        assert not lost, f"pins lost: {sorted(lost)}"

    def death(self):
        status = self.daemon.child.poll()
        return f"the daemon has ended, {status}:\n{self.daemon.output()[-3000:]}"


def read_answer(s, protocol):
    """One answer; ConnectionError if it doesn't come whole."""
    with s.makefile("rb") as file:
        if protocol != "socketmap":
            line = file.readline()
            if not line.endswith(b"\n"):
                raise ConnectionError("closed")
            return PARSE[protocol](line)
        length = b""
        while not length.endswith(b":"):
            byte = file.read(1)
            if not byte:
                raise ConnectionError("closed")
            length += byte
        payload = file.read(int(length[:-1]) + 1)
        if len(payload) <= int(length[:-1]):
            raise ConnectionError("closed")
        assert payload.endswith(b","), payload
        return parse_socketmap(payload[:-1])
