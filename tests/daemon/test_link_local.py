"""A resolver with a link-local address."""

import socket
import subprocess

import pytest

from e2e.netns import Namespace
from harness import behaviours as does
from harness.clients import ROUTE
from harness.scripted import ScriptedDns


class LinkLocalDns(ScriptedDns):
    """At fe80::54 of the interface v1; asked from v0."""

    @property
    def address(self):
        return f"[fe80::54%v0]:{self.port}"

    def _listen(self, kind):
        s = socket.socket(socket.AF_INET6, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("fe80::54", self.port, 0, socket.if_nametoindex("v1")))
        if kind == socket.SOCK_STREAM:
            s.listen(100)
        s.setblocking(False)
        self._selector.register(s, 1)
        return s


def ip(*words):
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def dns(lab):
    with Namespace():
        ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
        for end, address in (("v0", "fe80::53/64"), ("v1", "fe80::54/64")):
            ip("link", "set", end, "up")
            ip("address", "add", address, "dev", end, "nodad")
        yield lab.run(LinkLocalDns())
        lab.close()


@pytest.mark.parametrize("nobody", [False, True])
def test_link_local_resolver(lab, dns, nobody):
    dns.on("a.example", does.one("good"))
    dns.on("b.example", does.truncated(does.one("good")))
    daemon = lab.make_daemon(dns=dns, user="" if nobody else "0")
    if nobody:
        lab.dir.chmod(0o777)
        as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        daemon.args = [*as_nobody, *daemon.args]
    daemon.start()
    assert daemon.ask("socketmap", "a.example").outcome == ROUTE
    assert daemon.ask("socketmap", "b.example").outcome == ROUTE
    assert {seen.tcp for seen in dns.seen} == {False, True}
