"""The port of the bridge: nobody else on the machine gets a client of it."""

import contextlib
import socket
import subprocess
import sys

import pytest

from harness.bridged import bridged, connect_to, hear, make_bridged, where
from harness.clients import ROUTE, TEMP
from harness.onion import onion
from harness.proc import SLACK, wait_until

A = onion("a")
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

# Another user tries to take the port: sockets with these options, at these places, one or
# two of them, listening or not. It says which it could bind, and then who came.
ROBBER = """
import itertools, json, socket, sys
port, own = int(sys.argv[1]), sys.argv[2]
KINDS = {
    "plain": (), "addr": (socket.SO_REUSEADDR,), "port": (socket.SO_REUSEPORT,),
    "both": (socket.SO_REUSEADDR, socket.SO_REUSEPORT),
}
PLACES = ["0.0.0.0", own, "127.0.0.1", "::", "::ffff:0.0.0.0", "::ffff:" + own]
DEVICES = [None, "lo", "v0"]

def take(kind, place, device):
    family = socket.AF_INET6 if ":" in place else socket.AF_INET
    s = socket.socket(family)
    try:
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        for option in KINDS[kind]:
            s.setsockopt(socket.SOL_SOCKET, option, 1)
        if device:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        s.bind((place, port))
        s.listen(8)
        s.setblocking(False)
        return s
    except OSError:
        s.close()
        return None

def robbed(sockets):
    for s in sockets:
        try:
            s.accept()
            return True
        except OSError:
            pass
    return False

ways = list(itertools.product(KINDS, PLACES, DEVICES))
bound = 0
for first in ways:
    one = take(*first)
    for second in ways if one else [None]:
        two = take(*second) if second else None
        sockets = [s for s in (one, two) if s]
        bound += len(sockets)
        try:
            with socket.create_connection((own, port), 20) as c:
                c.settimeout(20)
                said = c.recv(100)
        except OSError as error:
            said = str(error).encode()
        if robbed(sockets) or not said.startswith(b"421"):
            print(json.dumps([first, second, said.decode()]))
        if two:
            two.close()
    if one:
        one.close()
print("done", len(ways), bound)
"""


@pytest.fixture
def socks(lab):
    return lab.socks()


def in_a_namespace(lab, script, *args, **settings):
    """A daemon with a network of its own, and what a script says there as nobody."""
    inside = (
        "ip link set lo up && ip link add v0 type veth peer name v1 && ip link set v0 up && "
        'ip addr add 192.0.2.7/32 dev v0 && exec "$@"'
    )
    prefix = ("unshare", "--net", "sh", "-c", inside, "sh")
    daemon = bridged(lab, bridge_users=[], prefix=prefix, **settings)
    place = where(daemon, A)
    enter = ["nsenter", f"--net=/proc/{daemon.pid}/ns/net", *NOBODY]
    done = subprocess.run(
        [*enter, sys.executable, "-c", script, str(place[1]), place[0], *args],
        capture_output=True,
        text=True,
        timeout=300 * SLACK,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    return daemon, done.stdout


@pytest.mark.timeout(400 * SLACK)
def test_another_user_gets_no_client(lab):
    """By one socket, or by two, of which the first prepares the way for the second."""
    daemon, said = in_a_namespace(lab, ROBBER, socks=["127.0.0.1:1"])
    *robbed, last = said.splitlines()
    assert robbed == []
    assert last.startswith("done 72 ")
    assert daemon.ask("socketmap", A).outcome == ROUTE


SQUATTER = """
import socket, sys
s = socket.socket()
for option in sys.argv[3:]:
    s.setsockopt(socket.SOL_SOCKET, int(option), 1)
s.bind((sys.argv[1], int(sys.argv[2])))
s.listen()
print("bound", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def squatter(place, port, *options):
    """A program of another user that has the port until the end."""
    args = [*NOBODY, sys.executable, "-c", SQUATTER, place, str(port), *map(str, options)]
    child = subprocess.Popen(
        args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/"
    )
    with child:
        assert child.stdout.readline() == "bound\n"
        yield
        child.stdin.close()


@pytest.mark.parametrize("options", [(), (socket.SO_REUSEADDR,), (socket.SO_REUSEPORT,)])
@pytest.mark.parametrize("place", ["0.0.0.0", "127.0.0.1", "127.42.0.5"])
def test_who_was_first_keeps_it(lab, socks, place, options):
    """Then the bridge gives no address, says what is in the way, and tries again."""
    daemon = make_bridged(lab, socks)
    port = daemon.settings["bridge_port"]
    with squatter(place, port, *options):
        daemon.start()
        assert f"bridge: port {port} is in use" in daemon.output()
        for listener in daemon.listeners:
            answer = daemon.ask(listener, A)
            assert answer == (TEMP, "the bridge has no address for this route")
    wait_until(lambda: daemon.ask("socketmap", A).outcome == ROUTE, "the port")
    assert daemon.output().count("is in use") == 1
    assert f"port {port} is free now" in daemon.output()


def test_a_second_daemon_of_the_same_user(lab, socks, tmp_path):
    """It may not share the port: half of the clients would come to it."""
    first = bridged(lab, socks)
    second_lab = type(lab)(tmp_path)
    try:
        port = first.settings["bridge_port"]
        second = make_bridged(second_lab, socks, bridge_port=port).start()
        assert second.ask("socketmap", A).outcome == TEMP
        assert first.ask("socketmap", A).outcome == ROUTE
        first.terminate()
        wait_until(lambda: second.ask("socketmap", A).outcome == ROUTE, "the port")
    finally:
        second_lab.close()


def test_a_restart_over_connections_that_have_ended(lab, socks):
    """Whoever closes first has the port in TIME_WAIT."""
    socks.on(A, lambda *_: None)
    daemon = bridged(lab, socks, bridge_users=["daemon"])
    for _ in range(20):
        with connect_to(where(daemon, A)) as s:
            assert hear(s).startswith(b"421")
    for _ in range(3):
        daemon.terminate()
        daemon.start()
        assert daemon.ask("socketmap", A).outcome == ROUTE
    assert "in use" not in daemon.output()


def test_addresses_that_nobody_was_given(lab, socks):
    """They are closed without a word."""
    daemon = bridged(lab, socks)
    ip, port = where(daemon, A)
    head = ip.rsplit(".", 2)[0]
    for tail in ("0.1", "255.254", "7.7"):
        if f"{head}.{tail}" != ip:
            with connect_to((f"{head}.{tail}", port)) as s:
                assert hear(s) == b""
    with connect_to(("127.0.0.1", port)) as s:
        assert hear(s) == b""
    assert daemon.counter("bridge_clients") == 0
