"""The failures of test_outages.py, all of them, with a site that sends by the bridge.
What is under way when a tor dies is in test_bridge_load.py, too."""

from .outages import (
    Queue,
    bridge_addresses,
    every_side,
    nothing_moves_without_tor,
    only_these_addresses,
)
from .test_outages import (  # noqa: F401
    test_clearnet_if_the_site_prefers_it,
    test_mail_waits_and_then_arrives,
)

BRIDGE = True


@every_side
def test_tor_dies_amid_the_queue(world, kind):
    """And when it is back, each address belongs to the onion service of before."""
    queue = Queue(world)
    side = kind(world)
    addresses = bridge_addresses(side)
    with side.amid(queue):
        world.client.kill()
    nothing_moves_without_tor(queue, side)

    queue.gate.open()
    world.client.start()
    side.sender.deliver()
    queue.each_arrived_once()
    only_these_addresses(side, addresses)
