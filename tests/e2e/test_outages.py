"""Parts of it fail, and come back: mail waits for that, and then arrives once, through
Tor. It goes elsewhere only if the site has chosen so."""

import collections
import contextlib
import re
import socket
import subprocess
import threading
import time

import pytest

from harness import behaviours, dnsmsg
from harness.proc import LOOPBACK, free_port, wait_until
from peers.exim import EXIM, SENDER
from peers.faulty import CLOSE, Act, Faulty, netstring
from peers.sink import Session, Sink

from .site import LIMIT, World, domain, message, submit

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
        if line[:4].upper() == "DATA":
            self.server.gate.enter()
        return super().command(line)


class HeldSink(Sink):
    def __init__(self, gate):
        super().__init__()
        self.RequestHandlerClass = HeldSession
        self.gate = gate


@pytest.fixture
def world(lab, namespace, tornet):
    with contextlib.ExitStack() as stack:
        yield World(lab, namespace, tornet, stack)


# tor dies in the middle of a queue


class Queue:
    """Twelve messages for three onions. Two of the domains are in the map, one in DNS."""

    def __init__(self, world, **settings):
        self.world = world
        self.gate = Gate(5)
        sinks = world.boxes(**dict.fromkeys(NAMES, lambda *_: HeldSink(self.gate)))
        self.sinks = dict(zip(NAMES, sinks))
        lines = [f"{name}.example {self.sinks[name].onion}\n" for name in "ab"]
        c = domain("c.example", (10, 25, self.sinks["c"].onion))
        records = domain("a.example") + domain("b.example") + c
        world.ready(records, map="".join(lines), **settings)
        self.recipients = [f"{n}@{name}.example" for n in range(4) for name in NAMES]

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


def until_five_arrived(queue, count):
    """And the sender knows it. count: a function of how many it has delivered."""
    wait_until(lambda: queue.gate.held and count() == 5, "the middle of the queue", LIMIT)
    assert queue.arrived() == 5


def virtual(address):
    """An answer like that of tor's DNSPort, which lives for a minute."""
    data = socket.inet_aton(address)
    return lambda q: [
        (0, behaviours.message(q, answer=[dnsmsg.record(q.name, dnsmsg.A, 60, data)]))
    ]


class Draw:
    """The virtual addresses as tor could have drawn them: an address that it gives to a
    name at random is hardly ever one that it gave before. tor_dnsport for the daemon."""

    def __init__(self, world):
        self.client = world.client
        self._dns = world.lab.dns(prefix="")
        self.address = self._dns.address

    def draw(self, onions):
        """The first onion has the first address, and so on. Tor knows it, too."""
        for number, onion in enumerate(onions, 1):
            address = f"10.192.0.{number}"
            self.client.control.command(f"MAPADDRESS {address}={onion}")
            self._dns.on(onion, virtual(address))


def test_tor_dies_amid_the_queue_of_exim(world):
    """And when it is back, each address belongs to another onion service. Exim remembers
    what failed at an address."""
    draw = Draw(world)
    queue = Queue(world, tor_dnsport=draw.address)
    onions = [queue.sinks[name].onion for name in NAMES]
    draw.draw(onions)
    exim = world.exim()
    options = ("-C", exim.config)
    for recipient in queue.recipients:
        args = ("-odq", "-oi", "-f", SENDER, recipient)
        submit(EXIM, *options, *args, text=message(recipient))

    runner = subprocess.Popen([EXIM, *options, "-q"], stdin=subprocess.DEVNULL)
    try:
        until_five_arrived(queue, lambda: exim.log().count(" => "))
        world.client.kill()
        runner.wait(LIMIT)
    finally:
        runner.kill()
        runner.wait()
    exim.run_queue()
    assert len(exim.queue()) == 7 and queue.arrived() == 5, exim.log()

    queue.gate.open()
    world.client.start()
    draw.draw(onions[1:] + onions[:1])

    def over():
        exim.run("-q")
        return not exim.queue()

    wait_until(over, "the queue to be empty", LIMIT)
    queue.each_arrived_once()
    went = re.findall(r" => \d@(\w)\.example .* H=10\.192\.0\.(\d) ", exim.log())
    assert set(went[:5]) <= {("a", "1"), ("b", "2"), ("c", "3")}
    assert set(went[5:]) <= {("b", "1"), ("c", "2"), ("a", "3")}
    assert len(went) == 12


def test_tor_dies_amid_the_queue_of_postfix(world):
    queue = Queue(world)
    postfix = world.postfix(extra=SOONER)
    for recipient in queue.recipients:
        postfix.send(message(recipient), recipient)
    until_five_arrived(queue, lambda: postfix.log().count("status=sent"))
    world.client.kill()

    def all_wait():
        last = [postfix.attempts(recipient)[-1:] for recipient in queue.recipients]
        return sum(bool(one) and one[0].status == "deferred" for one in last) == 7

    wait_until(all_wait, "all the others to be deferred", LIMIT)
    postfix.flush()
    wait_until(lambda: postfix.log().count("status=deferred") >= 14, "them again", LIMIT)
    assert queue.arrived() == 5

    queue.gate.open()
    world.client.start()
    postfix.deliver()
    assert "status=bounced" not in postfix.log()
    queue.each_arrived_once()


# One failure after the other


class EximSide:
    """What a test asks of a sender, and how its daemon cuts an answer."""

    protocol, listener = "readsocket", "readsocket"

    def __init__(self, world):
        self.world, self.sender = world, world.exim()

    def must_wait(self, text, recipient):
        before = self.sender.log()
        self.sender.send(text, recipient)
        assert self.sender.waiting() == [recipient], self.sender.log()
        assert "**" not in self.sender.log()[len(before) :]

    def must_wait_for_a_hung_daemon(self, text, recipient):
        self.must_wait(text, recipient)

    def healed(self):
        pass

    def cut(self, onion):
        return Act(f"OK {self.world.client.resolve(onion)}\n".encode()[:-2], CLOSE)


class PostfixSide:
    protocol, listener = "socketmap", "socketmap"

    def __init__(self, world):
        self.world, self.sender = world, world.postfix(extra=SOONER)

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

    def cut(self, onion):
        return Act(netstring(f"OK smtptor:[{onion}]:25".encode())[:-2], CLOSE)


every_side = pytest.mark.parametrize("kind", [EximSide, PostfixSide])

RECIPIENT = "user@far.example"


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


@every_side
def test_mail_waits_and_then_arrives(world, kind):
    outages = Outages(world, kind)
    daemon, client, side = world.daemon, world.client, outages.side
    cut = side.cut(outages.far.onion)
    faulty = Faulty(side.protocol, daemon.unix_path(side.listener), lambda key: cut)

    def cut_answers():
        daemon.kill()
        world.run(faulty)

    def whole_answers():
        assert faulty.asked
        faulty.stop()
        daemon.start()

    # DNS is down from the start: later the daemon remembers what it said.
    outages.through(lambda: None, outages.start_dns)
    outages.through(client.kill, client.start)
    outages.through(daemon.pause, daemon.resume, side.must_wait_for_a_hung_daemon)
    outages.through(daemon.kill, daemon.start)
    outages.through(cut_answers, whole_answers)
    assert len(outages.far.messages) == 5
    assert all(message.sender for message in world.home.messages), "a bounce"
    assert world.dns.queries() == []


@every_side
def test_clearnet_if_the_site_prefers_it(world, kind):
    """Where the daemon says who the onion is, and tor is down, it is tor that the mail
    waits for: Postfix gives the name to it, Exim needs an address first."""
    outages = Outages(world, kind, on_failure="clearnet")
    sender = outages.side.sender
    sender.send(message(RECIPIENT), RECIPIENT)
    sender.deliver()
    assert len(world.clearnet.to(RECIPIENT)) == 1

    world.client.kill()
    pinned = "user@pinned.example"
    if kind is EximSide:
        sender.send(message(pinned), pinned)
    else:
        outages.side.must_wait(message(pinned), pinned)
        world.client.start()
    sender.deliver()
    went = world.clearnet if kind is EximSide else outages.far
    assert len(went.to(pinned)) == 1
    assert len(world.clearnet.messages) + len(outages.far.messages) == 2
    assert world.home.messages == []
