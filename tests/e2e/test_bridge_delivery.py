"""The tests of test_delivery.py, with a site that sends by the bridge."""

import contextlib

import pytest

from .site import World
from .test_delivery import (  # noqa: F401
    test_delivery,
    test_onion_recipient,
    test_ten_domains_on_three_onions,
)


@pytest.fixture
def world(lab, namespace, tornet):
    with contextlib.ExitStack() as stack:
        yield World(lab, namespace, tornet, stack, bridge=True)
