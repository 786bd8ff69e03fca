"""The failures of test_outages.py, and more, with a site that sends by the bridge."""

import contextlib

import pytest

from .outages import Queue, every_side, nothing_moves_without_tor
from .site import World
from .test_outages import (  # noqa: F401
    test_clearnet_if_the_site_prefers_it,
    test_mail_waits_and_then_arrives,
)


@pytest.fixture
def world(lab, namespace, tornet):
    with contextlib.ExitStack() as stack:
        yield World(lab, namespace, tornet, stack, bridge=True)


@every_side
def test_tor_dies_amid_the_queue(world, kind):
    queue = Queue(world)
    side = kind(world)
    with side.amid(queue):
        world.client.kill()
    nothing_moves_without_tor(queue, side)

    queue.gate.open()
    world.client.start()
    side.sender.deliver()
    queue.each_arrived_once()
