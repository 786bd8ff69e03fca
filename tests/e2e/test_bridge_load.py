"""Much at once by the bridge: long messages, many messages, and what is under way when
a tor dies, or one of two. These have no counterpart without the bridge."""

import random

import pytest

from harness.proc import wait_until
from peers.sink import Session

from .outages import (
    Gate,
    HeldSink,
    PostfixSide,
    Queue,
    bridge_addresses,
    every_side,
    only_these_addresses,
)
from .site import LIMIT, EximBox, PostfixBox, domain, message

MIB = 1 << 20

RECIPIENT = "user@far.example"

BRIDGE = True


def long_text(recipient, size):
    """Lines of what can't be compressed, but is legal."""
    line = random.Random(recipient).randbytes(38).hex().encode() + b"\n"
    lines = [b"%08d " % n + line for n in range(size // (len(line) + 9))]
    return message(recipient, b"".join(lines))


@pytest.mark.parametrize("kind, box", [("exim", PostfixBox), ("postfix", EximBox)])
def test_thirty_megabytes(world, kind, box):
    [far] = world.boxes(far=box)
    world.ready(domain("far.example", (10, 25, far.onion)))
    extra = {"extra": "message_size_limit = 40000000\n"} if kind == "postfix" else {}
    sender = getattr(world, kind)(**extra)
    text = long_text(RECIPIENT, 30 * MIB)
    sender.send(text, RECIPIENT)
    sender.deliver()
    far.wait_for_one(text)
    world.nothing_by_clearnet()


# Postfix's defaults would begin with five connections to a server.
FORTY = """\
default_process_limit = 40
initial_destination_concurrency = 20
"""


def test_forty_connections_at_once(world):
    """And two hundred messages. None arrives before there are forty connections."""
    queue = Queue(world, each=67, through=0)
    side = PostfixSide(world, FORTY)
    with side.trying(queue.texts()):
        wait_until(lambda: queue.gate.held >= 40, "forty connections", LIMIT)
        assert queue.arrived() == 0
        assert world.daemon.counted("bridge_connected") >= 40
        queue.gate.open()
    side.sender.deliver()
    assert set(sum(map(side.attempts, queue.recipients), [])) == {"sent"}
    queue.each_arrived_once()


class HalfwaySession(Session):
    """Stops in the middle of a message."""

    lines = 0

    def line(self):
        self.lines += 1
        if self.lines == 1000:
            self.server.gate.enter()
        return super().line()


@every_side
def test_tor_dies_amid_a_message(world, kind):
    gate = Gate(0)
    [far] = world.boxes(far=lambda *_: HeldSink(gate, HalfwaySession))
    world.ready(domain("far.example", (10, 25, far.onion)))
    side = kind(world)
    text = long_text(RECIPIENT, 8 * MIB)
    with side.trying({RECIPIENT: text}):
        wait_until(lambda: gate.held, "half of a message", LIMIT)
        world.client.kill()
    assert side.attempts(RECIPIENT) == ["deferred"]
    gate.open()
    world.client.start()
    side.sender.deliver()
    assert side.attempts(RECIPIENT)[-1] == "sent"
    [arrived] = far.messages
    assert arrived.data.replace(b"\r\n", b"\n").endswith(b"\n" + text)
    assert world.home.messages == []
    world.nothing_by_clearnet()


def streams(tor):
    """The connections that it carries."""
    lines = tor.control.get("stream-status").splitlines()
    return [line for line in lines if " SUCCEEDED " in line]


@every_side
def test_one_of_two_tors_dies_amid_the_queue(world, kind):
    """What it carried is tried once more, and goes by the other."""
    tors = [world.client, world.tornet.client("second")]
    queue = Queue(world, socks=["127.0.0.1:9050", "{}:{}".format(*tors[1].socks)])
    side = kind(world)
    addresses = bridge_addresses(side)

    def only_held_ones():
        return sum(len(streams(tor)) for tor in tors) == queue.gate.held

    with side.amid(queue):
        wait_until(only_held_ones, "the connections of those that have arrived to end")
        max(tors, key=lambda tor: len(streams(tor))).kill()
        queue.gate.open()
    side.sender.deliver()
    queue.each_arrived_once()
    tries = {tuple(side.attempts(recipient)) for recipient in queue.recipients}
    assert tries == {("sent",), ("deferred", "sent")}
    only_these_addresses(side, addresses)
