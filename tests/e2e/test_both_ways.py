"""One host with all recipes of conf/: its mail server sends by the bridge, and is an onion
MX. Every port is the one that conf/ has. What stands in tor's place is a fake: nothing
here is about Tor."""

import contextlib
import re
import shutil
import smtplib
import socket

import pytest

from harness.onion import onion
from harness.proc import wait_until
from peers.bridge import SNIPPETS
from peers.conf import commented_out, listener_in, snippet
from peers.sink import Sink
from peers.socks import Socks

from .receiver import EximReceiver, PostfixReceiver

OWN, FAR = "user@site.example", "user@far.example"

# As tor begins, if the recipe wants that.
LINE = "PROXY TCP6 fc00:dead:beef:4dad::1 ::1 1 25\r\n"


def occupy(stack, port):
    """It is tor's."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = stack.enter_context(socket.socket(type=kind))
        s.bind(("127.0.0.1", port))


# A port is shared among those of one user who want that, and Postfix does.
USER = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def make_daemon(lab, tor, name):
    """With nothing in its configuration about ports, and a user of its own."""
    own = lab.dir / "own"
    own.mkdir()
    shutil.chown(own, 65534, 65534)
    listeners = {
        name: listener_in(SNIPPETS[name], f"unix:{own}/{name}.sock"),
        "tcp_table": {"protocol": "tcp_table", "address": "127.0.0.1:23000"},
    }
    return lab.make_daemon(
        listeners,
        map=f"far.example {onion('far')}\n",
        socks=[f"{tor.host}:{tor.port}"],
        state_dir=str(own),
        control=f"unix:{own}/control.sock",
        user="",
        prefix=USER,
    )


@pytest.mark.parametrize("first", ["the daemon", "the mail server"])
@pytest.mark.parametrize("name, kind", [("postfix", PostfixReceiver), ("exim", EximReceiver)])
def test_sending_and_receiving_on_one_host(lab, namespace, name, kind, first):
    """Whoever is started first."""
    with contextlib.ExitStack() as stack:
        torrc = snippet("torrc")
        for port in set(re.findall(r"127\.0\.0\.1:(\d+)", torrc + commented_out(torrc))):
            occupy(stack, int(port))
        servers = [Sink(), Sink(), Sink(), Socks()]
        far, home, clearnet, tor = servers
        for server in servers:
            stack.callback(server.stop)
            server.start()
        tor.route(onion("far"), 25, far)
        daemon = make_daemon(lab, tor, name)
        mx = kind(lab.dir, home, clearnet, socket=daemon.unix_path(name))
        stack.callback(mx.stop)
        for thing in (daemon, mx) if first == "the daemon" else (mx, daemon):
            thing.start()

        mx.send(FAR)
        assert far.wait_for(FAR).recipients == [FAR]
        assert tor.asked == [(onion("far"), 25)]

        session = smtplib.SMTP(timeout=20)
        session.sock = socket.create_connection(("127.0.0.1", 2525), 20)
        if kind.proxy:
            session.sock.sendall(LINE.encode())
        assert session.getreply()[0] == 220
        refused = session.sendmail(FAR, [OWN, FAR], "Subject: x\n\nHi.\n")
        session.quit()
        assert list(refused) == [FAR]
        assert home.wait_for(OWN).sender == FAR

        with smtplib.SMTP("127.0.0.1", 25, timeout=20) as session:
            assert session.noop()[0] == 250
        wait_until(lambda: not mx.queue(), "the queue to be empty")
        assert len(far.messages) == len(home.messages) == 1
        assert clearnet.connections == 0
