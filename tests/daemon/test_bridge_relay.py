"""What the bridge does with the bytes of its clients and of the servers."""

import hashlib
import random
import select
import signal
import socket
import threading
import time

import pytest

from harness import scripted_socks as does
from harness.bridged import (
    LOST,
    bridged,
    connect_to,
    dial,
    exactly,
    hear,
    reset_at_close,
    unreachable,
    where,
)
from harness.onion import onion
from harness.proc import MEMORY_SLACK, SLACK, wait_until

MB = 1024 * 1024
A, B = onion("a"), onion("b")


@pytest.fixture
def socks(lab):
    return lab.socks()


@pytest.fixture
def daemon(lab, socks):
    return bridged(lab, socks)


def payload(size, seed=1):
    return random.Random(seed).randbytes(size)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def in_background(function, *args):
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread


def connected(socks, count=1):
    """The connections of the SOCKS side, when the requests of so many have come."""
    wait_until(lambda: len(socks.asked) >= count, "the request")
    return socks.asked


def files_of(daemon):
    """Its descriptors when there are no connections, but an address."""
    where(daemon, A)
    return daemon.open_files()


def is_refused(place):
    try:
        connect_to(place).close()
    except ConnectionRefusedError:
        return True
    return False


def all_over(daemon, socks, files):
    """Nothing is left of a connection on either side."""
    wait_until(lambda: socks.open() == 0, "the end of the connection to tor")
    wait_until(lambda: daemon.open_files() <= files, "closed descriptors")


# Bytes


def test_both_ways(daemon, socks):
    with dial(daemon, A) as s:
        for size in (1, 2, 100, 5000, 200000):
            data = payload(size, size)
            sending = in_background(s.sendall, data)
            assert exactly(s, size) == data
            sending.join()
    assert socks.hosts() == [A] and socks.asked[0].port == 25
    counters = daemon.counters()
    assert counters["bridge_clients"] == counters["bridge_connected"] == 1
    assert counters["bridge_targets_failed"] == counters["bridge_unreachable"] == 0


@pytest.mark.parametrize("slow", ["nobody", "the client", "the server"])
def test_thirty_megabytes_each_way(daemon, socks, slow):
    """At once. What a slow reader hasn't read doesn't fill the daemon's memory."""
    up, down = payload(30 * MB, "up"), payload(30 * MB, "down")
    pause = 0.002 if slow == "the server" else 0
    socks.on(A, does.connected(does.exchanges(down, len(up), pause)))
    most = before = daemon.memory()
    with dial(daemon, A) as s:
        sending = in_background(s.sendall, up)
        heard = bytearray()
        while len(heard) < len(down):
            chunk = s.recv(65536)
            assert chunk, len(heard)
            heard += chunk
            if slow == "the client":
                time.sleep(0.002)
            if len(heard) % 20 == 0:
                most = max(most, daemon.memory())
        sending.join()
        assert digest(heard) == digest(down)
        assert s.recv(1) == b""
    assert digest(socks.asked[0].received) == digest(up)
    assert most - before < MB * MEMORY_SLACK


def test_byte_by_byte(daemon, socks):
    with dial(daemon, A) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in payload(300):
            s.sendall(bytes([byte]))
            assert s.recv(10) == bytes([byte])


def test_an_answer_is_not_held_up(daemon, socks):
    """Two small pieces one after the other: the second doesn't wait for an
    acknowledgement of the first (Nagle), which a client may delay by 40 ms."""

    async def two_pieces(c):
        while await c.read():
            await c.send(b"250-one\r\n")
            await does.asyncio.sleep(0.002)
            await c.send(b"250 two\r\n")

    socks.on(A, does.connected(two_pieces))
    with dial(daemon, A) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        times = []
        for _ in range(30):
            began = time.monotonic()
            s.sendall(b"EHLO x\r\n")
            exactly(s, 18)
            times.append(time.monotonic() - began)
    assert sorted(times)[15] < 0.03 * SLACK, sorted(times)


# Who speaks first


def test_the_server_speaks_first(daemon, socks):
    socks.on(A, does.connected(does.speaks_first(b"220 hello\r\n", does.echo)))
    with dial(daemon, A) as s:
        assert exactly(s, 11) == b"220 hello\r\n"
        s.sendall(b"QUIT\r\n")
        assert exactly(s, 6) == b"QUIT\r\n"


@pytest.mark.parametrize("size", [1, 1000, MB])
def test_the_client_speaks_before_there_is_a_server(daemon, socks, size):
    """It is heard when there is one."""
    socks.on(A, does.later(0.5, does.connected(does.echo)))
    data = payload(size)
    with dial(daemon, A) as s:
        sending = in_background(s.sendall, data)
        assert exactly(s, size) == data
        sending.join()


@pytest.mark.parametrize("size", [1, 200, 100000])
@pytest.mark.parametrize("reply", ["IPV4", "IPV6", "LONGEST"])
def test_what_is_glued_to_the_reply(daemon, socks, reply, size):
    """It is the server's."""
    reply, glued = getattr(does, reply), payload(size)
    socks.on(A, does.connected(does.echo, reply, glued))
    with dial(daemon, A) as s:
        assert exactly(s, len(glued)) == glued
        s.sendall(b"x")
        assert exactly(s, 1) == b"x"


# The end


@pytest.mark.parametrize("wait", [0, 0.3])
def test_half_close(daemon, socks, wait):
    """The answer still arrives; the server isn't told, since tor would end it."""
    request, answer = payload(100000, "request"), payload(3 * MB, "answer")

    async def server(c):
        c.received.extend(await c.exactly(len(request)))
        await does.asyncio.sleep(0.5)
        await c.send(answer)

    socks.on(A, does.later(wait, does.connected(server)))
    with dial(daemon, A) as s:
        s.sendall(request)
        s.shutdown(socket.SHUT_WR)
        assert digest(hear(s)) == digest(answer)
    assert socks.asked[0].received == request
    assert not socks.asked[0].ended


def test_the_server_closes(daemon, socks):
    files = files_of(daemon)
    last = payload(MB)
    socks.on(A, does.connected(does.speaks_first(last, does.closes)))
    for _ in range(5):
        with dial(daemon, A) as s:
            assert hear(s) == last
    all_over(daemon, socks, files)


def test_the_server_closes_at_once(daemon, socks):
    socks.on(A, does.connected(does.closes))
    for _ in range(20):
        with dial(daemon, A) as s:
            assert exactly(s, len(LOST)) == LOST
    assert daemon.counter("bridge_connected") == 20


def test_a_client_that_closes_after_quit(daemon, socks):
    """The server ends it."""
    files = files_of(daemon)

    async def server(c):
        await c.read()
        await c.send(b"221 bye\r\n")

    socks.on(A, does.connected(server))
    with dial(daemon, A) as s:
        s.sendall(b"QUIT\r\n")
    all_over(daemon, socks, files)


@pytest.mark.parametrize("spoken", [b"", b"EHLO x\r\n"])
@pytest.mark.parametrize("how", ["closes", "resets"])
def test_a_client_that_vanishes_before_there_is_a_server(daemon, socks, how, spoken):
    """Tor is told, if it was silent; else at the latest when there is a server."""
    files = files_of(daemon)
    behaviour = does.later(0.5, does.connected(does.speaks_first(b"220\r\n" * 9, does.echo)))
    socks.on(A, behaviour if spoken else does.hangs)
    s = dial(daemon, A)
    connected(socks)
    s.sendall(spoken)
    reset_at_close(s, how == "resets")
    s.close()
    all_over(daemon, socks, files)
    assert daemon.counter("bridge_unreachable") == 0


@pytest.mark.parametrize("when", ["at once", "after a while"])
def test_a_client_that_is_gone(daemon, socks, when):
    """That it has closed, not only said all, shows when something is sent to it: its
    reset. The server says no more, and would wait for ever."""
    files = files_of(daemon)

    async def server(c):
        if when == "after a while":
            await c.exactly(8)
            await does.asyncio.sleep(0.2)
        await c.send(b"250 x\r\n")
        await does.hangs(c)

    socks.on(A, does.later(0.2, does.connected(server)))
    with dial(daemon, A) as s:
        reset_at_close(s, False)
        s.sendall(b"EHLO x\r\n")
        connected(socks)
    all_over(daemon, socks, files)


@pytest.mark.parametrize("busy", [False, True])
def test_a_client_that_is_reset(daemon, socks, busy):
    files = files_of(daemon)
    socks.on(A, does.connected(does.flood if busy else does.hangs))
    s = dial(daemon, A)
    connected(socks)
    wait_until(lambda: daemon.counted("bridge_connected") == 1, "the connection")
    s.close()
    all_over(daemon, socks, files)


@pytest.mark.parametrize("how", [does.closes, does.resets])
def test_the_last_word_of_a_server(daemon, socks, how):
    """It has said why, and closed, while the client was still sending. Without the bridge
    the client would read it."""
    word = b"552 5.3.4 too big\r\n"

    async def server(c):
        await c.exactly(1)
        await c.send(word)
        await does.asyncio.sleep(0.05)
        await how(c)

    socks.on(A, does.connected(server))
    heard = []
    for _ in range(20):
        with dial(daemon, A) as s:
            try:
                s.sendall(bytes(20 * MB))
            except ConnectionError:
                pass
            try:
                heard.append(s.recv(len(word)))
            except ConnectionError:
                heard.append(b"")
    assert heard == [word] * 20


def test_a_long_last_word(daemon, socks):
    """More than the client's buffer holds, and the client has said something that nobody
    reads any more: nothing of it is lost."""
    word = payload(2 * MB)
    socks.on(A, does.connected(does.speaks_first(word, does.closes)))
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(where(daemon, A))
        s.settimeout(20 * SLACK)
        connected(socks)
        heard = bytearray()
        while chunk := s.recv(4096):
            heard += chunk
            if len(heard) > 1.9 * MB:
                s.send(b"x") if len(heard) % 7 == 0 else None
        assert digest(heard) == digest(word)


@pytest.mark.parametrize("talks", [False, True])
def test_the_words_of_a_server_that_is_reset(daemon, socks, talks):
    """As tor does it when a circuit breaks. What the server has said before is the
    client's, even if that reads slowly and still talks."""
    word = payload(100000)

    async def server(c):
        await c.send(word)
        await does.asyncio.sleep(0.2)
        c.reset()

    socks.on(A, does.connected(server))
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(where(daemon, A))
        s.settimeout(20 * SLACK)
        wait_until(lambda: socks.asked and socks.asked[0].closed, "the reset")
        for _ in range(3 * talks):
            s.sendall(b"x")
            time.sleep(0.05)
        assert digest(hear(s)) == digest(word)


# Time


def test_idle(lab, socks):
    """Nothing moves: it ends. Something does in one direction: it doesn't."""
    socks.on(A, does.connected(does.speaks_first(b"* OK IMAP\r\n", does.sink)))
    daemon = bridged(lab, socks, bridge_idle_ms=1000)
    files = files_of(daemon)
    with dial(daemon, A) as s, dial(daemon, A) as idle:
        began = time.monotonic()
        while time.monotonic() - began < 3 * SLACK:
            s.sendall(b"x")
            time.sleep(0.2)
        assert hear(idle) == b"* OK IMAP\r\n"
        wait_until(lambda: sum(not c.closed for c in socks.asked) == 1, "the end of one")
        s.sendall(b"y")
        assert hear(s) == b"* OK IMAP\r\n"
    assert daemon.counter("bridge_timeouts") == 2
    all_over(daemon, socks, files)


@pytest.mark.parametrize("stuck", ["the client", "the server"])
def test_who_never_reads(lab, socks, stuck):
    """Its connection ends, too; until then the memory is bounded."""
    socks.on(A, does.connected(does.flood if stuck == "the client" else does.never_reads))
    daemon = bridged(lab, socks, bridge_idle_ms=1000, bridge_farewell_ms=1000)
    files, before = files_of(daemon), daemon.memory()
    clients = [dial(daemon, A) for _ in range(10)]
    for s in clients:
        s.setblocking(False)
    end = time.monotonic() + 1
    while stuck == "the server" and time.monotonic() < end:
        for s in select.select([], clients, [], 0.1)[1]:
            try:
                s.send(bytes(65536))
            except ConnectionError:
                pass
    assert daemon.memory() - before < 4 * MB * MEMORY_SLACK
    wait_until(lambda: daemon.counted("bridge_timeouts") == 10, "the end")
    wait_until(lambda: daemon.open_files() == files, "closed descriptors")
    for s in clients:
        s.close()


# The end of the daemon


def test_sigterm_lets_mail_arrive(daemon, socks):
    """What is under way does, for new ones the door is closed. Then it ends at once."""
    up, down = payload(3 * MB, "up"), payload(3 * MB, "down")
    socks.on(A, does.connected(does.exchanges(down, len(up), 0.01)))
    place = where(daemon, A)
    with connect_to(place) as s:
        sending = in_background(s.sendall, up)
        heard = exactly(s, 100)
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: not daemon.control.exists(), "the beginning of the end")
        wait_until(lambda: is_refused(place), "the closed door")
        heard += hear(s)
        sending.join()
    assert daemon.wait(5) == 0
    assert digest(heard) == digest(down)
    assert digest(socks.asked[0].received) == digest(up)


def test_sigterm_while_tor_tries(daemon, socks):
    socks.on(A, does.later(1, does.connected(does.speaks_first(b"220\r\n", does.closes))))
    with dial(daemon, A) as s:
        connected(socks)
        daemon.signal(signal.SIGTERM)
        assert exactly(s, 5 + len(LOST)) == b"220\r\n" + LOST
    assert daemon.wait(5) == 0


def test_sigterm_does_not_wait_for_ever(daemon, socks):
    """15 seconds, for a connection that doesn't end."""
    with dial(daemon, A) as s:
        s.sendall(b"x")
        exactly(s, 1)
        began = time.monotonic()
        daemon.signal(signal.SIGTERM)
        assert hear(s) == b""
        assert 14 < time.monotonic() - began < 15 + 5 * SLACK
    assert daemon.wait(5) == 0


def test_sigterm_twice(daemon, socks):
    with dial(daemon, A) as s:
        s.sendall(b"x")
        exactly(s, 1)
        began = time.monotonic()
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: not daemon.control.exists(), "the beginning of the end")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(5) == 0
        assert time.monotonic() - began < 5 * SLACK
        assert hear(s) == b""


def test_sigterm_without_connections(daemon, socks):
    where(daemon, A)
    with dial(daemon, A) as s:
        s.sendall(b"x")
        exactly(s, 1)
    wait_until(lambda: daemon.counted("bridge_connected") == 1, "the connection")
    socks.stop()
    began = time.monotonic()
    daemon.terminate()
    assert time.monotonic() - began < 3 * SLACK


def test_tor_is_killed(daemon, socks):
    """The client sees a close, and the next one is told so."""
    socks.on(A, does.connected(does.flood))
    with dial(daemon, A) as s:
        exactly(s, MB)
        socks.stop()
        try:
            hear(s)
        except ConnectionResetError:
            pass
    with dial(daemon, A) as s:
        assert hear(s) == unreachable("tor is down")


# Many


def test_forty_at_once(daemon, socks):
    """Random sizes, in random pieces, byte for byte."""
    faults = []

    def talk(seed):
        rng = random.Random(seed)
        data = rng.randbytes(rng.randrange(1, 2 * MB))
        key = rng.choice((A, B))
        try:
            with dial_at(places[key]) as s:
                hearing = []
                thread = in_background(lambda: hearing.append(exactly(s, len(data))))
                at = 0
                while at < len(data):
                    n = rng.choice((1, 100, 10000, 100000))
                    s.sendall(data[at : at + n])
                    at += n
                thread.join()
                if hearing != [data]:
                    faults.append(seed)
        except Exception as error:  # noqa: BLE001
            faults.append(error)

    dial_at = connect_to
    places = {key: where(daemon, key) for key in (A, B)}
    threads = [in_background(talk, seed) for seed in range(40)]
    for thread in threads:
        thread.join()
    assert faults == []
    assert daemon.counter("bridge_connected") == 40


def test_a_thousand_at_once(daemon, socks):
    place = where(daemon, A)
    before = daemon.open_files()
    clients = [connect_to(place) for _ in range(1000)]
    for i, s in enumerate(clients):
        s.sendall(b"%06d" % i)
    assert [exactly(s, 6) for s in clients] == [b"%06d" % i for i in range(1000)]
    assert daemon.memory() < 20 * MB * MEMORY_SLACK
    for s in clients:
        s.close()
    all_over(daemon, socks, before)
    assert daemon.counter("bridge_connected") == 1000
