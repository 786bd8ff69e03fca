"""Requests as packets bring them: cut anywhere, many at once, the end of the stream
before the answer."""

import socket
import struct
import time

import pytest

from harness import behaviours as does
from harness.clients import NONE, ROUTE, connect, read_all
from harness.onion import onion
from harness.proc import wait_until

TABLES = ("tcp_table", "socketmap")


@pytest.fixture
def daemon(lab):
    """DNS answers d0 at once, d1 later, d2 later still, d3 at once..."""
    dns = lab.dns()
    for i in range(100):
        answer = does.srv((0, 0, 1000 + i, onion(i)))
        dns.on(f"d{i}.example", does.delay(i % 3 * 0.15, answer))
    text = f"mapped.example {onion('mapped')}\n"
    return lab.daemon(dns=dns, tor=lab.tor(), map=text)


@pytest.mark.parametrize("listener", ["readsocket", *TABLES])
def test_one_byte_per_packet(daemon, listener):
    client = daemon.client(listener)
    with connect(daemon.address(listener)) as s:
        if s.family == socket.AF_INET:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in client.request("user@mapped.example"):
            s.sendall(bytes([byte]))
            time.sleep(0.001)
        assert client.read(s).outcome == ROUTE


@pytest.mark.parametrize("listener", TABLES)
def test_one_byte_per_packet_again_and_again(daemon, listener):
    """The bytes of the next request come while the answer is awaited."""
    client = daemon.client(listener)
    with connect(daemon.address(listener)) as s:
        for byte in client.request("d1.example") * 3:
            s.sendall(bytes([byte]))
            time.sleep(0.001)
        with s.makefile("rb") as file:
            for _ in range(3):
                assert client.next_answer(file).targets() == [(onion(1), 1001)]


@pytest.mark.parametrize("listener", TABLES)
def test_a_thousand_requests_in_one_packet(daemon, listener):
    """Answers come in the order of the questions, whichever is ready first."""
    client = daemon.client(listener)
    order = [(7 * i + i // 100) % 100 for i in range(1000)]
    with connect(daemon.address(listener)) as s:
        s.sendall(b"".join(client.request(f"d{i}.example") for i in order))
        with s.makefile("rb") as file:
            answers = [client.next_answer(file) for _ in order]
    assert [a.targets() for a in answers] == [[(onion(i), 1000 + i)] for i in order]


@pytest.mark.parametrize("listener", TABLES)
def test_half_close_with_answers_owed(daemon, listener):
    client = daemon.client(listener)
    with connect(daemon.address(listener)) as s:
        s.sendall(b"".join(client.request(f"d{i}.example") for i in range(30)))
        s.shutdown(socket.SHUT_WR)
        with s.makefile("rb") as file:
            answers = [client.next_answer(file) for _ in range(30)]
            assert file.read() == b""
    assert [a.hosts() for a in answers] == [[onion(i)] for i in range(30)]


def requests_of(client, size):
    """Questions for mapped.example of so many bytes in all, and how many they are."""
    one = client.request("mapped.example")
    for padding in range(200):
        last = client.request("x" * padding + "@mapped.example")
        count, rest = divmod(size - len(last), len(one))
        if rest == 0:
            return one * count + last, count + 1
    raise AssertionError(size)


@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize("size", [65535, 65536, 65537, 131072])
@pytest.mark.parametrize("listener", TABLES)
def test_all_has_come_before_it_is_read(daemon, listener, size, end):
    """As much as is read at once, a byte less, a byte more; and nothing comes any more
    that would wake the daemon."""
    client = daemon.client(listener)
    data, count = requests_of(client, size)
    with connect(daemon.address(listener)) as s, s.makefile("rb") as file:
        s.sendall(client.request("mapped.example"))
        client.next_answer(file)
        daemon.pause()
        s.sendall(data)
        if end:
            s.shutdown(socket.SHUT_WR)
        daemon.resume()
        answers = [client.next_answer(file) for _ in range(count)]
        if end:
            assert file.read() == b""
        else:
            s.sendall(client.request("mapped.example"))
            answers.append(client.next_answer(file))
    assert {a.outcome for a in answers} == {ROUTE}


@pytest.mark.parametrize("listener", TABLES)
def test_a_part_and_a_reset_at_once(lab, listener):
    daemon = lab.daemon(map=f"a.example {onion(1)}", client_timeout_ms=600_000)
    client = daemon.client(listener)
    before = daemon.open_files()
    with connect(daemon.address(listener)) as s:
        s.sendall(client.request("a.example"))
        wait_until(lambda: daemon.open_files() > before, "the client")
        daemon.pause()
        s.sendall(client.request("a.example")[:5])
        # On a Unix socket it is the answer which isn't read that makes it a reset.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    daemon.resume()
    wait_until(lambda: daemon.open_files() == before, "the end of the client")


@pytest.mark.parametrize("half_close", [True, False])
def test_readsocket_half_close(daemon, half_close):
    client = daemon.client("readsocket", half_close=half_close)
    assert client.ask("mapped.example").outcome == ROUTE
    assert client.ask("d2.example").outcome == ROUTE
    assert client.ask("user@[127.0.0.1]").outcome == NONE


def test_readsocket_answers_once(daemon):
    with connect(daemon.address("readsocket")) as s:
        s.sendall(b"route *\nroute mapped.example\nroute *\n")
        assert read_all(s) == b"NO\n"


def test_readsocket_with_carriage_return(daemon):
    with connect(daemon.address("readsocket")) as s:
        s.sendall(b"route mapped.example\r\n")
        assert read_all(s).startswith(b"OK ")


@pytest.mark.parametrize("listener", TABLES)
def test_idle_clients_are_kept(lab, listener):
    daemon = lab.daemon(map=f"a.example {onion(1)}", client_timeout_ms=200)
    assert daemon.ask(listener, "a.example").outcome == ROUTE
    time.sleep(1)
    assert daemon.ask(listener, "a.example").outcome == ROUTE
    assert daemon.counters()["clients"] == 1


def test_percent_encoding(lab):
    daemon = lab.daemon(map=f"münchen.example {onion(1)}\n")
    with connect(daemon.address("tcp_table")) as s, s.makefile("rb") as file:
        for key in (
            b"%6a%6Frg@m%c3%bcnchen.example",
            "jörg@münchen.example".encode(),
            b"a%20b%25c@xn--mnchen-3ya.example",
            b"\"a%20b%25c\"@M%C3%9CNCHEN.example",
        ):
            s.sendall(b"get " + key + b"\n")
            assert file.readline().startswith(b"200 smtptor:["), key
