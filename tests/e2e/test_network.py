"""The private Tor network itself: what the other tests stand on."""

import contextlib
import ipaddress
import os
import signal
import socket
import socketserver
import subprocess
import threading
from pathlib import Path

import pytest

from harness.onion import mistyped
from harness.proc import LOOPBACK, running, wait_until

from . import socks, watch
from .tornet import Network

TORNET = Path(__file__).parent / "tornet"

VIRTUAL = "127.192.0.0/10"

RELAYS = {"authority", "relay2", "relay3", "relay4"}


class Greeting(socketserver.StreamRequestHandler):
    """Greets like a mail server, and sends back what it gets."""

    def handle(self):
        with contextlib.suppress(OSError):
            self.wfile.write(b"220 greeter.example ESMTP\r\n")
            for line in self.rfile:
                self.wfile.write(line)


class Greeter(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__((LOOPBACK, 0), Greeting)
        self.address = "{}:{}".format(*self.server_address)


@pytest.fixture
def greeter():
    with Greeter() as greeter:
        thread = threading.Thread(target=greeter.serve_forever, args=(0.05,))
        thread.start()
        yield greeter
        greeter.shutdown()
        thread.join()


def greeting(client, host, port=25, **options):
    """What a server says first, and how it answers a line of 100000 bytes."""
    line = b"x" * 100000 + b"\r\n"
    with socks.connect(client.socks, host, port, **options) as s, s.makefile("rb") as file:
        first = file.readline()
        s.sendall(line)
        while (answer := file.readline()).startswith(b"PROXY "):
            first = answer + first
        assert answer == line
    return first


def refusal(client, host, port=25):
    with pytest.raises(socks.SocksError) as caught:
        socks.connect(client.socks, host, port)
    return caught.value.code


def unpublished(client):
    """The onion name of a key that nobody serves. Tor makes it: it looks at the key, too."""
    option = "NEW:ED25519-V3 Flags=DiscardPK Port=25"
    name = client.control.command(f"ADD_ONION {option}")[0].partition("=")[2]
    client.control.command(f"DEL_ONION {name}")
    return f"{name}.onion"


def test_an_onion_is_reached_and_nothing_leaves_loopback(tornet, greeter, maybe_namespace):
    before = watch.unroutable() if maybe_namespace else 0
    with watch.Watch(None if maybe_namespace else tornet.pids) as seen:
        dead = f"{LOOPBACK}:1"
        service = tornet.service("mx", {"a": {"ports": {25: greeter.address, 26: dead}}})
        client = tornet.client("client", virtual=VIRTUAL)
        tornet.wait()
        name = service.hostname("a")

        assert greeting(client, name).startswith(b"220 ")
        address = client.resolve(name)
        assert ipaddress.ip_address(address) in ipaddress.ip_network(VIRTUAL)
        assert greeting(client, address).startswith(b"220 ")

        assert refusal(client, unpublished(client)) == socks.NO_DESCRIPTOR
        assert refusal(client, mistyped("a")) == socks.BAD_NAME
        # Tor 0.4.9 says either: the circuit may be gone before the stream has ended.
        assert refusal(client, name, 27) in (socks.REFUSED, socks.FAILED)
        assert refusal(client, name, 26) == socks.FAILED
    assert not seen.strays
    assert len(seen.seen) > 20
    if maybe_namespace:
        assert watch.unroutable() == before


def test_the_watch_sees_what_would_leave(namespace):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("0.0.0.0", 0))
        assert [stray.kind for stray in watch.strays()] == ["udp"]
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind(("::ffff:127.0.0.1", 0))
        s.listen()
        assert [one.local.split()[0] for one in watch.sockets()] == ["127.0.0.1"]
        assert not watch.strays()
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        before = watch.unroutable()
        with socket.socket(socket.AF_INET, kind) as s, pytest.raises(OSError):
            s.connect(("198.51.100.1", 53))
        assert watch.unroutable() == before + 1
    interfaces = [name for _, name in socket.if_nameindex()]
    assert interfaces == ["lo"]


def test_names_are_looked_up_in_the_test_s_own_dns(lab, namespace):
    """By the resolver of libc, which is what the mail servers have."""
    lab.unbound("mx A 127.0.0.7\n", port=53)
    namespace.nameserver(LOOPBACK)
    done = subprocess.run(
        ["getent", "ahostsv4", "mx.example"], stdout=subprocess.PIPE, text=True, timeout=20
    )
    assert done.stdout.startswith("127.0.0.7 ")


def test_a_killed_client_starts_again_with_other_addresses(tornet, greeter):
    """The stream under way is cut, and the addresses of before lead nowhere."""
    service = tornet.service("mx", {"a": {"ports": {25: greeter.address}}})
    client = tornet.client("client")
    tornet.wait()
    name = service.hostname("a")
    old = client.resolve(name)
    with socks.connect(client.socks, old, 25) as stream:
        stream.settimeout(20)
        assert stream.recv(3) == b"220"
        client.kill()
        while stream.recv(1000):
            pass
    assert client.resolve(name, timeout=0.5) is None
    client.start()
    new = client.resolve(name)
    assert new != old
    assert greeting(client, new).startswith(b"220 ")
    assert refusal(client, old) == socks.FAILED


def test_many_onions_circuit_numbers_and_two_clients(tornet, greeter):
    """Services and clients by options and by the text of a torrc."""
    plain = {"ports": {25: greeter.address}}
    service = tornet.service("mx", {"a": plain, "b": {**plain, "circuit_id": True}})
    text = f"HiddenServiceDir @DIR@/onions/c\nHiddenServicePort 25 {greeter.address}\n"
    other = tornet.service("mx2", torrc=text)
    text = "SocksPort {0}:2{1} ExtendedErrors\nDNSPort {0}:2{1}\nAutomapHostsOnResolve 1\n"
    first = tornet.client("first", torrc=text.format(LOOPBACK, "0001"))
    second = tornet.client("second", trans=True, control=True)
    tornet.wait()
    assert first.socks == (LOOPBACK, 20001)
    for port in (second.trans_port, second.control_port):
        socket.create_connection((LOOPBACK, port)).close()
    names = [service.hostname("a"), other.hostname("c")]
    assert names[0] != names[1]
    for name in names:
        assert greeting(first, name).startswith(b"220 ")
    numbered = service.hostname("b")
    numbers = {
        greeting(client, numbered, user=user).split(b"220 ")[0].split()[2]
        for client, user in ((first, "x"), (first, "y"), (second, "x"))
    }
    assert len(numbers) == 3
    assert all(number.startswith(b"fc00:dead:beef:4dad:") for number in numbers)


def test_a_network_that_can_t_start_says_why(tornet, lab):
    with pytest.raises(AssertionError, match=r"(?s)died: \['client'\].*'NoSuchOption'"):
        tornet.client("client", extra="NoSuchOption 1\n")
        tornet.wait()
    assert not tornet.pids()
    with socket.create_server((f"{tornet.base}.2", 9001)):
        with pytest.raises(AssertionError, match=r"already in use: .*\.2:9001"):
            Network(tornet.dir).start()


def tornet_command(*args, status=0):
    done = subprocess.run(
        [TORNET, *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


def pids_of(text):
    """Name -> process id, as status prints them."""
    rows = [line.split(": pid ") for line in text.splitlines() if ": pid " in line]
    return {name: int(rest.split(",")[0]) for name, rest in rows}


def alive(pids):
    return [pid for pid in pids if running(pid)]


def name_in(text):
    [line] = [line for line in text.splitlines() if line.startswith("  onion1 ")]
    return line.split()[1]


def test_from_the_shell(lab):
    """Start, status, snapshot, stop, restore; and nothing outlives the keeper."""
    first, second, file = lab.dir / "first", lab.dir / "second", lab.dir / "snapshot"
    started = tornet_command("start", first, "--onion", "25=127.0.0.1:2525")
    pids = pids_of(started)
    assert set(pids) == RELAYS | {"service", "client1"}
    assert pids_of(tornet_command("status", first)) == pids
    tornet_command("snapshot", first, file)
    assert sorted(alive(pids.values())) == sorted(pids.values())
    tornet_command("stop", first)
    assert not alive(pids.values())
    tornet_command("status", first, status=3)

    restored = tornet_command("restore", file, second)
    assert name_in(restored) == name_in(started)
    pids = pids_of(restored)
    assert set(pids) == RELAYS | {"service", "client1"}
    os.kill(int((second / "keeper.pid").read_text()), signal.SIGKILL)
    wait_until(lambda: not alive(pids.values()), "its processes to end")
    tornet_command("stop", second)
