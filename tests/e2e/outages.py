"""Sites on which something fails: what is under way then, and who looks after it. The
sides are the two senders, with the same methods."""

import collections
import contextlib
import re
import subprocess
import threading
import time

import pytest

from harness import behaviours
from harness.proc import LOOPBACK, free_port, wait_until
from peers.exim import EXIM, SENDER
from peers.faulty import CLOSE, Act, netstring
from peers.sink import Session, Sink

from .site import LIMIT, domain, message, submit

# Postfix's defaults, but for the pauses that come after a failure.
SOONER = "service_throttle_time = 1s\ntransport_retry_time = 1s\n"

NAMES = ("a", "b", "c")


class Gate:
    """Lets a number of messages through, and holds the others until it is opened."""

    def __init__(self, number):
        self._left = number
        self._lock = threading.Lock()
        self._opened = threading.Event()
        self.held = 0

    def open(self):
        self._opened.set()

    def enter(self):
        with self._lock:
            self._left -= 1
            if self._left >= 0:
                return
            self.held += 1
        self._opened.wait(2 * LIMIT)


class HeldSession(Session):
    """Before the text of a message: what is cut there hasn't arrived."""

    def command(self, line):
        if line[:4].upper() == self.server.held:
            self.server.gate.enter()
        return super().command(line)


class HeldSink(Sink):
    def __init__(self, gate, session=HeldSession, held="DATA"):
        super().__init__()
        self.RequestHandlerClass = session
        self.gate = gate
        self.held = held


# A queue in the middle of which something happens


class Queue:
    """Messages for three onions, each for one of them. Two of the domains are in the map,
    one in DNS. through: how many messages the gate lets through; held: at which command
    the others are."""

    def __init__(self, world, each=4, through=5, held="DATA", **settings):
        self.world = world
        self.gate = Gate(through)
        sinks = world.boxes(**dict.fromkeys(NAMES, lambda *_: HeldSink(self.gate, held=held)))
        self.sinks = dict(zip(NAMES, sinks))
        lines = [f"{name}.example {self.sinks[name].onion}\n" for name in "ab"]
        c = domain("c.example", (10, 25, self.sinks["c"].onion))
        records = domain("a.example") + domain("b.example") + c
        world.ready(records, map="".join(lines), **settings)
        self.recipients = [f"{n}@{name}.example" for n in range(each) for name in NAMES]

    def arrived(self):
        return sum(len(sink.messages) for sink in self.sinks.values())

    def each_arrived_once(self):
        """At its own onion; and nobody else has heard of it."""
        for name, sink in self.sinks.items():
            got = collections.Counter(r for m in sink.messages for r in m.recipients)
            want = [r for r in self.recipients if r.endswith(f"@{name}.example")]
            assert got == collections.Counter(want)
        assert self.world.home.messages == []
        self.world.nothing_by_clearnet()
        asked = {name for name, _ in self.world.dns.queries()}
        assert asked == {"_onion-mx._tcp.c.example"}

    def texts(self):
        """A message for each recipient."""
        return {recipient: message(recipient) for recipient in self.recipients}

    def until_five_arrived(self, count):
        """And the sender knows it. count: a function of how many it has delivered."""
        wait_until(lambda: self.gate.held and count() == 5, "the middle", LIMIT)
        assert self.arrived() == 5


# The senders


class EximSide:
    """What a test asks of a sender, and how its daemon cuts an answer."""

    protocol, listener = "readsocket", "readsocket"

    def __init__(self, world):
        self.world, self.sender = world, world.exim()
        # Without tor there is no address, and so no route.
        self.route_needs_tor = not world.bridge

    def must_wait(self, text, recipient):
        before = self.sender.log()
        self.sender.send(text, recipient)
        assert self.sender.waiting() == [recipient], self.sender.log()
        assert "**" not in self.sender.log()[len(before) :]

    def must_wait_for_a_hung_daemon(self, text, recipient):
        self.must_wait(text, recipient)

    def healed(self):
        pass

    def cut(self, answer):
        return Act(f"OK {answer.value}\n".encode()[:-2], CLOSE)

    def attempts(self, recipient):
        """What has become of each try."""
        words = {"=>": "sent", "==": "deferred", "**": "bounced"}
        found = re.findall(rf" (=>|==|\*\*) {recipient} ", self.sender.log())
        return [words[mark] for mark in found]

    @contextlib.contextmanager
    def trying(self, texts):
        """Messages, by their recipients. At the end all have been tried once."""
        options = ("-C", self.sender.config)
        for recipient, text in texts.items():
            args = ("-odq", "-oi", "-f", SENDER, recipient)
            submit(EXIM, *options, *args, text=text)
        runner = subprocess.Popen([EXIM, *options, "-q"], stdin=subprocess.DEVNULL)
        try:
            yield
            runner.wait(LIMIT)
        finally:
            runner.kill()
            runner.wait()

    @contextlib.contextmanager
    def amid(self, queue):
        """Five messages have arrived. At the end all others have been tried, too."""
        with self.trying(queue.texts()):
            queue.until_five_arrived(lambda: self.sender.log().count(" => "))
            yield

    def try_again(self):
        """All that waits."""
        self.sender.run_queue()


class PostfixSide:
    protocol, listener = "socketmap", "socketmap"

    route_needs_tor = False

    def __init__(self, world, extra=""):
        self.world, self.sender = world, world.postfix(extra=SOONER + extra)

    def must_wait(self, text, recipient):
        before = len(self.sender.attempts(recipient))
        self.sender.send(text, recipient)
        attempt = self.sender.attempt(recipient, before + 1, LIMIT)
        assert attempt.status == "deferred", attempt

    def must_wait_for_a_hung_daemon(self, text, recipient):
        """The table would wait for 100 seconds."""
        before = self.sender.attempts(recipient)
        self.sender.send(text, recipient)
        time.sleep(3)
        assert self.sender.attempts(recipient) == before
        assert self.sender.queue()

    def healed(self):
        """The queue manager repeats the last answer for 30 seconds, an error, too, if it
        asks for the same recipient again and again."""
        self.sender.send(message(SENDER), SENDER)

    def cut(self, answer):
        return Act(netstring(f"OK {answer.value}".encode())[:-2], CLOSE)

    def attempts(self, recipient):
        return [attempt.status for attempt in self.sender.attempts(recipient)]

    @contextlib.contextmanager
    def trying(self, texts):
        for recipient, text in texts.items():
            self.sender.send(text, recipient)
        yield
        wait_until(lambda: all(map(self.attempts, texts)), "a try of each", LIMIT)

    @contextlib.contextmanager
    def amid(self, queue):
        with self.trying(queue.texts()):
            queue.until_five_arrived(lambda: self.sender.log().count("status=sent"))
            yield

    def try_again(self):
        count = self.sender.log().count("status=deferred")
        waiting = len(self.sender.queue())
        self.sender.flush()
        wait_until(
            lambda: self.sender.log().count("status=deferred") >= count + waiting,
            "them again",
            LIMIT,
        )


every_side = pytest.mark.parametrize("kind", [EximSide, PostfixSide])


def nothing_moves_without_tor(queue, side):
    """Tor has died amid the queue: all that hadn't arrived waits, and goes on waiting."""
    side.try_again()
    assert len(side.sender.queue()) == 7 and queue.arrived() == 5, side.sender.log()


def bridge_addresses(side):
    """Those of the queue's onions."""
    ask = side.world.daemon.ask
    answers = [ask(side.listener, f"user@{name}.example") for name in NAMES]
    return [host for answer in answers for host, _ in answer.targets()]


def only_these_addresses(side, addresses):
    """They are the same as ever, and the sender has seen no others."""
    assert bridge_addresses(side) == addresses
    assert set(re.findall(r"127\.42\.\d+\.\d+", side.sender.log())) == set(addresses)


class Outages:
    def __init__(self, world, kind, **settings):
        self.world = world
        [self.far] = world.boxes(far=lambda *_: Sink())
        # The daemon's own DNS isn't there yet; that of the mail servers always is.
        self.dns_port = free_port()
        resolvers = [f"{LOOPBACK}:{self.dns_port}"]
        pinned = f"pinned.example {self.far.onion}\n"
        records = domain("far.example") + domain("pinned.example")
        world.ready(records, map=pinned, resolvers=resolvers, dns_tries=1, **settings)
        self.side = kind(world)

    def start_dns(self):
        dns = self.world.lab.dns(port=self.dns_port)
        dns.on("far.example", behaviours.srv((10, 0, 25, self.far.onion)))

    def through(self, failure, heal, wait=None):
        """A message that is sent while something fails arrives when it is healed."""
        failure()
        before = len(self.far.messages)
        # For an old one Postfix might not ask.
        recipient = f"user{before}@far.example"
        (wait or self.side.must_wait)(message(recipient), recipient)
        assert len(self.far.messages) == before
        self.world.nothing_by_clearnet()
        heal()
        self.side.healed()
        self.side.sender.deliver()
        assert [m.recipients for m in self.far.messages[before:]] == [[recipient]]
