"""An onion MX with the settings of conf/, as in test_receiving.py, and a site that sends
to it by the bridge."""

import pytest

from harness.proc import wait_until
from peers.exim import SENDER
from peers.sink import Sink

from .receiver import EximReceiver, PostfixReceiver, onion_service
from .site import message

OWN, FOREIGN = "user@far.example", "user@foreign.example"

BRIDGE = True


@pytest.mark.parametrize(
    "kind, receiver", [("exim", PostfixReceiver), ("postfix", EximReceiver)]
)
def test_own_mail_is_taken_and_nothing_is_relayed(world, kind, receiver):
    """The sender believes that the onion takes another domain's mail, too."""
    inbox, relayed = world.run(Sink()), world.run(Sink())
    directory = world.lab.dir / "far"
    directory.mkdir()
    mx = world.run(receiver(directory, inbox, relayed, domain="far.example"))
    service = world.tornet.service("mx", torrc=onion_service(mx, mx.proxy))
    onion = service.hostname("mx")
    world.ready(map=f"far.example {onion}\nforeign.example {onion}\n")
    sender = getattr(world, kind)()
    for recipient in (OWN, FOREIGN):
        sender.send(message(recipient), recipient)
    sender.deliver()
    assert inbox.wait_for(OWN).sender == SENDER
    bounce = world.home.wait_for(SENDER)
    assert bounce.sender == "" and FOREIGN in bounce.text and OWN not in bounce.text
    wait_until(lambda: not mx.queue(), "the queue to be empty")
    assert len(inbox.messages) == len(world.home.messages) == 1
    assert relayed.connections == world.clearnet.connections == 0
    world.nothing_outside()
