"""Parts of it fail, and come back: mail waits for that, and then arrives once, through
Tor. It goes elsewhere only if the site has chosen so."""

import re
import socket

from harness import behaviours, dnsmsg
from harness.proc import wait_until
from peers.faulty import Faulty

from .outages import (
    NAMES,
    EximSide,
    Outages,
    PostfixSide,
    Queue,
    every_side,
    nothing_moves_without_tor,
)
from .site import LIMIT, message


# tor dies in the middle of a queue


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
    what failed at an address. From 4.98 on it loses a message whose connection ends between
    the reply to RCPT and that to DATA; nobody but the bridge can help that."""
    draw = Draw(world)
    queue = Queue(world, held="RCPT", tor_dnsport=draw.address)
    onions = [queue.sinks[name].onion for name in NAMES]
    draw.draw(onions)
    side = EximSide(world)
    exim = side.sender
    with side.amid(queue):
        world.client.kill()
    nothing_moves_without_tor(queue, side)

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
    side = PostfixSide(world)
    with side.amid(queue):
        world.client.kill()
    nothing_moves_without_tor(queue, side)

    queue.gate.open()
    world.client.start()
    side.sender.deliver()
    assert "status=bounced" not in side.sender.log()
    queue.each_arrived_once()


# One failure after the other

RECIPIENT = "user@far.example"


@every_side
def test_mail_waits_and_then_arrives(world, kind):
    outages = Outages(world, kind)
    daemon, client, side = world.daemon, world.client, outages.side
    cut = side.cut(daemon.ask(side.listener, "pinned.example"))
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
    """Where the daemon has a route all the same, and tor is down, it is tor that the mail
    waits for. Only Exim without the bridge needs an address of tor first."""
    outages = Outages(world, kind, on_failure="clearnet")
    side, sender = outages.side, outages.side.sender
    sender.send(message(RECIPIENT), RECIPIENT)
    sender.deliver()
    assert len(world.clearnet.to(RECIPIENT)) == 1

    world.client.kill()
    pinned = "user@pinned.example"
    if side.route_needs_tor:
        sender.send(message(pinned), pinned)
    else:
        side.must_wait(message(pinned), pinned)
        world.client.start()
    sender.deliver()
    went = world.clearnet if side.route_needs_tor else outages.far
    assert len(went.to(pinned)) == 1
    assert len(world.clearnet.messages) + len(outages.far.messages) == 2
    assert world.home.messages == []
