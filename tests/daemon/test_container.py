"""The mail server, or the daemon, in another mount namespace."""

import contextlib

import pytest

from harness.clients import ROUTE
from harness.container import ContainedClient, inside
from harness.mapfile import compile_map
from harness.onion import onion
from harness.proc import wait_until

MAP = f"a.example {onion(1)}\n"


@pytest.fixture
def dirs(lab):
    """(outside, inside): the second is where the first is mounted."""
    dirs = lab.dir / "run", lab.dir / "mnt"
    for path in dirs:
        path.mkdir()
    return dirs


@pytest.mark.parametrize("protocol", ["readsocket", "socketmap"])
def test_sockets_in_a_mounted_directory(lab, dirs, protocol):
    """Read only, and through restarts of the daemon, orderly or not."""
    outer, inner = dirs
    options = {"protocol": protocol, "address": f"unix:{outer}/x.sock"}
    daemon = lab.daemon(
        {"x": {**options, "deadline_ms": 10000}}, tor=lab.tor(), map=MAP
    )
    client = ContainedClient(outer, inner, f"unix:{inner}/x.sock", protocol)
    with contextlib.closing(client):
        assert client.ask("a.example").outcome == ROUTE
        daemon.terminate()
        assert client.ask("a.example").outcome == "ERROR"
        daemon.start()
        wait_until(lambda: client.ask("a.example").outcome == ROUTE, "the new daemon")
        daemon.kill()
        assert client.ask("a.example").outcome == "ERROR"
        daemon.start()
        wait_until(lambda: client.ask("a.example").outcome == ROUTE, "the third daemon")


def test_the_namespace_is_another(lab, dirs):
    """Else the test above would show nothing."""
    outer, inner = dirs
    daemon = lab.daemon(
        {"x": {"protocol": "socketmap", "address": f"unix:{outer}/x.sock"}}, map=MAP
    )
    assert daemon.ask("x", "a.example").outcome == ROUTE
    client = ContainedClient(outer, inner, f"unix:{outer}/x.sock", "socketmap")
    with contextlib.closing(client):
        assert client.ask("a.example").outcome == "ERROR"


def test_map_in_a_mounted_directory(lab, dirs):
    """The daemon is the one in the container; the map is compiled outside."""
    outer, inner = dirs
    compile_map(MAP, outer / "domains.cdb")
    daemon = lab.make_daemon(map=inner / "domains.cdb")
    daemon.args = inside(outer, inner, daemon.args)
    daemon.start()
    assert daemon.ask("socketmap", "a.example").hosts() == [onion(1)]
    compile_map(f"a.example {onion(2)}\n", outer / "domains.cdb")
    wait_until(
        lambda: daemon.ask("socketmap", "a.example").hosts() == [onion(2)], "the new map"
    )
