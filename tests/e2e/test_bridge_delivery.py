"""The tests of test_delivery.py, all of them, with a site that sends by the bridge. In
place of Exim's recipe against sending twice there is none."""

import re

from peers.conf import snippet

from .site import PostfixBox, domain, message
from .test_delivery import (  # noqa: F401
    test_delivery,
    test_onion_recipient,
    test_ten_domains_on_three_onions,
)

BRIDGE = True


def test_exim_sends_once_without_a_recipe(world):
    """It hangs up before it has read the last answer, as in test_delivery.py."""
    assert "pipelining" not in snippet("exim/bridge-transport")
    [far] = world.boxes(far=PostfixBox)
    world.ready(domain("far.example", (10, 25, far.onion)))
    exim = world.exim()
    for _ in range(5):
        text = message("user@far.example")
        exim.send(text, "user@far.example")
        assert not exim.queue(), exim.log()
        far.wait_for_one(text)
    assert len(re.findall(r" => .* L ", exim.log())) == 5, "pipelining was used"
    assert len(far.mails()) == 5
    world.nothing_by_clearnet()
