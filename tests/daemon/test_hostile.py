"""Clients that mean ill, or don't know better."""

import io
import random
import select
import socket
import time

import pytest

from harness import behaviours as does
from harness.clients import NONE, ROUTE, TcpTable, connect, read_all
from harness.onion import onion
from harness.preload import Clock
from harness.proc import MEMORY_SLACK, SLACK, wait_until

MB = 1024 * 1024

REFUSAL = {
    "readsocket": b"TEMP malformed request\n",
    "tcp_table": b"400 malformed%20request\n",
    "socketmap": b"22:PERM malformed request,",
}

MALFORMED = {
    "readsocket": [
        b"\n",
        b"\r\n",
        b"route\n",
        b"ROUTE a.example\n",
        b" route a.example\n",
        b"get a.example\n",
        b"5:onion,",
        b"\0route a.example\n",
        b"route a.example",
        b"r",
    ],
    "tcp_table": [
        b"\n",
        b"get\n",
        b"GET a.example\n",
        b"get a%2\n",
        b"get a%zz.example\n",
        b"get %\n",
        b"\0get a.example\n",
        b"HELO x\r\n",
        b"get a.example",
    ],
    "socketmap": [
        b"get a.example\n",
        b"5:onion,",
        b"x",
        b":,",
        b"-1:,",
        b"0:,",
        b"01:a,",
        b"99999999999999999999:",
        b"15:onion a.example;",
        b"4096:",
        b" 15:onion a.example,",
        b"15:onion a.exam",
        b"15",
    ],
}


@pytest.fixture
def daemon(lab):
    dns = lab.dns()
    dns.on("slow.example", does.delay(0.5, does.one("slow")))
    many = ", ".join(onion(i) for i in range(16))
    text = f"a.example {onion(1)}\nmany.example {many}\n"
    return lab.daemon(dns=dns, tor=lab.tor(), map=text)


def test_malformed_requests(daemon):
    """Each is refused, and the connection closed; cut ones at the end of the stream."""
    for listener, requests in MALFORMED.items():
        for request in requests:
            with connect(daemon.address(listener)) as s:
                s.sendall(request)
                s.shutdown(socket.SHUT_WR)
                assert read_all(s) == REFUSAL[listener], (listener, request)
    total = sum(len(requests) for requests in MALFORMED.values())
    assert daemon.counter("requests_malformed") == total


@pytest.mark.parametrize("listener", ["tcp_table", "socketmap"])
def test_malformed_after_good(daemon, listener):
    """What was asked before it is answered first, though that takes its time."""
    client = daemon.client(listener)
    with connect(daemon.address(listener)) as s:
        s.sendall(client.request("slow.example") + client.request("a.example"))
        s.sendall(b"rubbish\n" + client.request("a.example"))
        with s.makefile("rb") as file:
            assert client.next_answer(file).hosts() == [onion("slow")]
            assert client.next_answer(file).hosts() == [onion(1)]
            assert file.read() == REFUSAL[listener]


@pytest.mark.parametrize("listener", REFUSAL)
@pytest.mark.parametrize("start", [b"", b"route ", b"get ", b"1048582:onion "])
def test_a_line_of_a_megabyte(daemon, listener, start):
    before = daemon.memory()
    with connect(daemon.address(listener)) as s:
        s.sendall(start + b"x" * MB + b"\n")
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == REFUSAL[listener]
    assert daemon.memory() - before < MB * MEMORY_SLACK


@pytest.mark.parametrize("listener", REFUSAL)
def test_endless_input(daemon, listener):
    """It doesn't read for ever."""
    with connect(daemon.address(listener)) as s:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(200):
                s.sendall(b"x" * MB)
    assert daemon.ask("tcp_table", "a.example").outcome == ROUTE


def random_input(rng, listener):
    """Rubbish, or something that looks like a request and has rubbish in it."""
    length = rng.choice((1, 10, 100, 5000))
    rubbish = rng.randbytes(rng.randrange(length))
    start = {"readsocket": b"route ", "tcp_table": b"get ", "socketmap": b"onion "}
    if rng.random() < 0.5:
        return rubbish
    payload = start[listener] + rubbish
    if listener == "socketmap":
        return b"%d:%s," % (len(payload), payload)
    return payload + b"\n"


@pytest.mark.parametrize("listener", REFUSAL)
def test_garbage(daemon, listener):
    rng = random.Random(listener)
    for _ in range(300):
        data = random_input(rng, listener)
        with connect(daemon.address(listener)) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            reply = read_all(s)
        assert b"\0" not in reply and all(32 <= b < 127 or b == 10 for b in reply), data
        assert reply or not data
    assert daemon.ask(listener, "a.example").outcome == ROUTE


def stuff(s, data, once=False):
    """Sends, over and over unless once, until the socket has taken nothing for a
    moment. Returns what is left of the data."""
    s.setblocking(False)
    data = memoryview(data)
    rest = data
    while rest and select.select([], [s], [], 0.2)[1]:
        try:
            rest = rest[s.send(rest[:65536]) :]
        except ConnectionError:
            break
        if not rest and not once:
            rest = data
    return rest


def is_full(daemon):
    counters = daemon.counters()
    return counters["output_full"] or counters["pipeline_full"]


@pytest.mark.parametrize("listener", ["tcp_table", "socketmap"])
@pytest.mark.parametrize("key", ["many.example", "slow.example"])
def test_clients_that_never_read(daemon, listener, key):
    """Bounded memory, and the others are served."""
    request = daemon.client(listener).request(key) * 100
    assert daemon.ask(listener, "a.example").outcome == ROUTE
    before = daemon.memory()
    greedy = [connect(daemon.address(listener)) for _ in range(5)]
    for s in greedy:
        stuff(s, request)
        assert daemon.ask(listener, "a.example").outcome == ROUTE
        assert daemon.ask("readsocket", "a.example").outcome == ROUTE
    wait_until(lambda: stuff(greedy[0], request) and is_full(daemon), "a full buffer")
    assert daemon.memory() - before < 2 * MB * MEMORY_SLACK
    for s in greedy:
        s.close()


@pytest.mark.parametrize("listener", ["tcp_table", "socketmap"])
def test_a_client_that_never_reads_is_cut_off(lab, listener):
    daemon = lab.daemon(map=f"a.example {onion(1)}", client_timeout_ms=500)
    requests = daemon.client(listener).request("a.example") * 100
    with connect(daemon.address(listener)) as s:

        def cut_off():
            stuff(s, requests)  # a slow daemon may have made room meanwhile
            return daemon.counter("clients_timed_out") == 1

        wait_until(cut_off, "the end")
    assert daemon.ask(listener, "a.example").outcome == ROUTE


@pytest.mark.parametrize("listener", ["tcp_table", "socketmap"])
def test_a_slow_reader_gets_every_answer(daemon, listener):
    """It stops reading for a while, so the daemon stops reading requests."""
    request = daemon.client(listener).request("x" * 300 + "@many.example")
    with connect(daemon.address(listener)) as s:
        s.sendall(request)
        s.shutdown(socket.SHUT_WR)
        reply = read_all(s)
    count = 20000  # the answers are more than the kernel's buffers hold
    with connect(daemon.address(listener)) as s:
        rest = stuff(s, request * count, once=True)
        assert rest
        chunks, missing = [], len(reply) * count
        while missing:
            readable, writable, _ = select.select([s], [s] if rest else [], [], 20)
            assert readable or writable
            if readable:
                chunks.append(s.recv(1 << 20))
                missing -= len(chunks[-1])
                assert chunks[-1]
            if writable:
                rest = rest[s.send(rest[:65536]) :]
        assert b"".join(chunks) == reply * count


@pytest.mark.parametrize("listener", REFUSAL)
def test_stuck_in_a_request(lab, listener):
    daemon = lab.daemon(client_timeout_ms=300)
    with connect(daemon.address(listener)) as s:
        s.sendall(daemon.client(listener).request("a.example")[:-3])
        assert read_all(s) == REFUSAL[listener]
    assert daemon.counter("clients_timed_out") == 1


START = {"readsocket": b"route ", "tcp_table": b"get ", "socketmap": b"999:onion "}


def drip(s, limit=20 * SLACK):
    """A byte now and then, until the other side says something. Returns that; None if it
    doesn't in that time."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if select.select([s], [], [], 0.1)[0]:
            return read_all(s)
        s.sendall(b"x")
    return None


@pytest.mark.parametrize("listener", REFUSAL)
def test_dripping_into_a_request(lab, listener):
    """Each byte comes in time, the whole doesn't."""
    daemon = lab.daemon(client_timeout_ms=1000)
    with connect(daemon.address(listener)) as s:
        s.sendall(START[listener])
        assert drip(s) == REFUSAL[listener]
    assert daemon.counter("clients_timed_out") == 1


@pytest.mark.parametrize("listener", ["tcp_table", "socketmap"])
def test_dripping_behind_a_request(lab, listener):
    """What is owed comes first."""
    dns = lab.dns()
    dns.on("slow.example", does.delay(1.5, does.one("slow")))
    daemon = lab.daemon(dns=dns, client_timeout_ms=1000)
    client = daemon.client(listener)
    with connect(daemon.address(listener)) as s:
        s.sendall(client.request("slow.example") + START[listener])
        heard = io.BytesIO(drip(s))
    assert client.next_answer(heard).hosts() == [onion("slow")]
    assert heard.read() == REFUSAL[listener]
    assert daemon.counter("clients_timed_out") == 1


def test_each_request_has_a_time_of_its_own(lab):
    """A client that always is in the middle of one isn't cut off."""
    daemon = lab.daemon(map=f"a.example {onion(1)}", client_timeout_ms=int(1000 * SLACK))
    request = TcpTable.request("a.example")
    with connect(daemon.address("tcp_table")) as s, s.makefile("rb") as file:
        s.sendall(request[:5])
        end = time.monotonic() + 2.5 * SLACK
        while time.monotonic() < end:
            s.sendall(request[5:] + request[:5])
            assert TcpTable.next_answer(file).outcome == ROUTE
            time.sleep(0.1)
    assert daemon.counter("clients_timed_out") == 0


def sip(s, count):
    """Reads about so much. False: it has been closed."""
    while count > 0 and select.select([s], [], [], 0.1)[0]:
        try:
            chunk = s.recv(count)
        except ConnectionResetError:
            return False
        if not chunk:
            return False
        count -= len(chunk)
    return True


def test_sipping_at_the_answers(lab):
    """Each sip lets the daemon send something, but the answers aren't gone in time."""
    clock = Clock(lab.dir)
    many = ", ".join(onion(i) for i in range(16))
    daemon = lab.daemon(map=f"m.example {many}\n", prefix=clock.prefix)
    request = TcpTable.request("x" * 300 + "@m.example") * 100
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = daemon.address("tcp_table").split(":")
        s.connect((host, int(port)))
        stuff(s, request)  # more than it can answer before the end
        s.setblocking(True)
        for _ in range(100):
            if not sip(s, 24_000) or daemon.counter("clients_timed_out"):
                break
            clock.advance(4)
            assert daemon.ask("socketmap", "m.example").outcome == ROUTE
    assert daemon.counter("clients_timed_out") == 1


def test_silent_on_readsocket(lab):
    daemon = lab.daemon(client_timeout_ms=300)
    with connect(daemon.address("readsocket")) as s:
        assert read_all(s) == REFUSAL["readsocket"]
    assert daemon.counter("clients_timed_out") == 1


def test_timeout_spares_those_who_wait(lab):
    """The answer takes longer than a client may be stuck."""
    dns = lab.dns()
    dns.on("slow.example", does.delay(1.2, does.one("slow")))
    daemon = lab.daemon(dns=dns, tor=lab.tor(), client_timeout_ms=300)
    for listener in ("readsocket", "tcp_table"):
        assert daemon.ask(listener, "slow.example").outcome == ROUTE
    assert daemon.counter("clients_timed_out") == 0


def test_clients_that_leave_before_the_answer(daemon):
    for _ in range(50):
        for listener in REFUSAL:
            with connect(daemon.address(listener)) as s:
                s.sendall(daemon.client(listener).request("slow.example"))
    assert daemon.ask("tcp_table", "slow.example").hosts() == [onion("slow")]
    files = daemon.open_files()
    wait_until(lambda: daemon.open_files() <= files, "the connections' end")


def test_clients_that_come_and_go(daemon):
    """No descriptor and no memory is left behind."""

    def round_of(count):
        for _ in range(count):
            for listener in REFUSAL:
                connect(daemon.address(listener)).close()
                assert daemon.client("readsocket").ask("*").outcome == NONE

    round_of(100)
    files, memory = daemon.open_files(), daemon.memory()
    round_of(300)
    wait_until(lambda: daemon.open_files() <= files, "the connections' end")
    assert daemon.memory() - memory < MB * MEMORY_SLACK
