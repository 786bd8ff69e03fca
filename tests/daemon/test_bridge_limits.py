"""Who may use the bridge, and how much of it."""

import contextlib
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness import preload
from harness import scripted_socks as does
from harness.bridged import (
    bridged,
    connect_to,
    dial,
    exactly,
    hear,
    hear_elsewhere,
    leave_elsewhere,
    make_bridged,
    refusal,
    reset_at_close,
    unreachable,
    where,
)
from harness.clients import ROUTE, TEMP
from harness.daemon import ONIONMXD
from harness.onion import onion
from harness.preload import Clock, make, together
from harness.proc import SLACK, wait_until

A, B = onion("a"), onion("b")

NOBODY = 65534

TOO_MANY = b"421 4.3.2 too many connections\r\n"
DENIED = b"421 4.7.0 this user may not connect\r\n"
NO_DESCRIPTOR = b"421 4.3.2 out of file descriptors\r\n"


@pytest.fixture
def socks(lab):
    return lab.socks()


def echoes(s):
    s.sendall(b"x")
    return exactly(s, 1) == b"x"


def told(place):
    with connect_to(place) as s:
        return hear(s)


def carried(place):
    """Is a new client carried to the server? By the echo."""
    with connect_to(place) as s:
        s.sendall(b"x")
        return s.recv(1) == b"x"


# How many


def test_too_many(lab, socks):
    """Of all addresses together; when one leaves there is room."""
    daemon = bridged(lab, socks, bridge_max_clients=2)
    a, b = where(daemon, A), where(daemon, B)
    with connect_to(a) as first, connect_to(b) as second:
        assert echoes(first) and echoes(second)
        for place in (a, b, a):
            assert told(place) == TOO_MANY
        assert daemon.counter("bridge_refused") == 3
        first.close()
        wait_until(lambda: carried(b), "room")
        assert echoes(second)
    assert "warning" not in daemon.output()


def test_no_user_takes_all_places(lab, socks):
    """One who has few still gets some, though not many."""
    socks.on(B, does.connected(does.speaks_first(b"220\r\n", does.hangs)))
    daemon = bridged(lab, socks, bridge_users=[], bridge_max_clients=8)
    a, b = where(daemon, A), where(daemon, B)
    mine = [connect_to(a) for _ in range(8)]
    assert all(echoes(s) for s in mine) and told(a) == TOO_MANY
    with others(b, 2) as heard:
        # One of the two places in the reserve is for a user who has none.
        assert heard == [b"220", b"421"]
        assert told(a) == TOO_MANY
        assert all(echoes(s) for s in mine)
    for s in mine:
        s.close()


HOLD = """
import socket, sys
host, port, count = sys.argv[1:]
held = [socket.create_connection((host, int(port)), 60) for _ in range(int(count))]
for s in held:
    print(s.recv(3).decode(), flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def others(place, count):
    """Connections of another user. Gives the first three bytes that each hears."""
    args = [sys.executable, "-c", HOLD, *map(str, place), str(count)]
    pipe = subprocess.PIPE
    with subprocess.Popen(args, stdin=pipe, stdout=pipe, user=NOBODY, cwd="/") as other:
        yield [other.stdout.readline().strip() for _ in range(count)]
        other.stdin.close()


def test_those_count_for_which_tor_still_tries(lab, socks):
    socks.on(A, does.hangs)
    daemon = bridged(lab, socks, bridge_max_clients=1)
    with dial(daemon, A):
        wait_until(lambda: socks.asked, "the request")
        assert refusal(daemon, B) == TOO_MANY
    wait_until(lambda: carried(where(daemon, B)), "room")


def test_who_is_rejected_takes_no_place(lab, socks):
    """However long it stays: at most five seconds."""
    daemon = bridged(lab, socks, bridge_max_clients=1)
    place = where(daemon, A)
    files = daemon.open_files()
    with connect_to(place) as first:
        assert echoes(first)
        staying = [connect_to(place) for _ in range(200)]
        assert [exactly(s, len(TOO_MANY)) for s in staying[:50]] == [TOO_MANY] * 50
        wait_until(lambda: daemon.counted("bridge_refused") == 200, "all of them")
        assert daemon.open_files() < files + 100
        first.close()
        wait_until(lambda: carried(place), "room")
        began = time.monotonic()
        wait_until(lambda: daemon.open_files() <= files, "their end")
        assert time.monotonic() - began < 7 + 4 * SLACK
    for s in staying:
        s.close()


# Who


def users(lab, socks, *names):
    daemon = bridged(lab, socks, bridge_users=names)
    return daemon, where(daemon, A)


@pytest.mark.parametrize("names", [["root"], ["0"], ["nobody", "root"], []])
def test_a_user_that_may(lab, socks, names):
    daemon, place = users(lab, socks, *names)
    assert carried(place)
    assert daemon.counter("bridge_denied") == 0


@pytest.mark.parametrize("names", [["root"], ["0", "12345"], ["daemon"]])
def test_a_user_that_may_not(lab, socks, names):
    """Nor does tor hear of it."""
    daemon, place = users(lab, socks, *names)
    assert hear_elsewhere(place, user=NOBODY, say="EHLO x\r\n") == DENIED
    assert socks.connections == []
    counters = daemon.counters()
    assert counters["bridge_denied"] == 1 and counters["bridge_refused"] == 0


@pytest.mark.parametrize("names", [["nobody"], ["root", "65534"], []])
def test_another_user_that_may(lab, socks, names):
    socks.on(A, does.connected(does.speaks_first(b"221\r\n", does.closes)))
    daemon, place = users(lab, socks, *names)
    assert hear_elsewhere(place, user=NOBODY) == b"221\r\n"
    assert daemon.counter("bridge_denied") == 0


def test_root_is_a_user_like_others(lab, socks):
    daemon, place = users(lab, socks, "nobody")
    assert told(place) == DENIED


def test_the_default(lab, socks):
    """Names that this system doesn't have don't matter, and don't open the door."""
    daemon = make_bridged(lab, socks)
    del daemon.settings["bridge_users"]
    daemon.write_config()
    daemon.start()
    place = where(daemon, A)
    assert carried(place)
    assert hear_elsewhere(place, user=NOBODY) == DENIED


@pytest.mark.parametrize("name", ["no-such-user", "", "-1", "4294967295", "4294967296", "0x0"])
def test_no_such_user(lab, socks, name):
    """It isn't overlooked: the list may have no other."""
    daemon = make_bridged(lab, socks)
    text = daemon.config.read_text()
    assert "bridge_users" in text
    text = re.sub(r"bridge_users = .*\n", "", text)
    daemon.config.write_text(f'# one\nbridge_users = {{"root", "{name}"}}\n' + text)
    done = subprocess.run(
        [*ONIONMXD, "-t", "-c", daemon.config], capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 1
    assert f'{daemon.config}:2:25: bridge_users = "{name}": no such user' in done.stderr


@pytest.mark.parametrize("setting", ["max_clients", "connect_ms", "idle_ms", "session_ms"])
def test_no_number(lab, socks, setting):
    daemon = make_bridged(lab, socks, **{f"bridge_{setting}": 0})
    done = subprocess.run(
        [*ONIONMXD, "-t", "-c", daemon.config], capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 1 and f"bridge_{setting} = 0: a number" in done.stderr


def is_forgotten(place):
    """Is there but the kernel's memory of a client's connection, in FIN-WAIT-2?"""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    ip, port = place
    number = int.from_bytes(socket.inet_aton(ip), sys.byteorder)
    rows = [text.split() for text in lines]
    return (f"{number:08X}:{port:04X}", "05") in [(row[2], row[3]) for row in rows]


def test_who_has_gone_is_not_root(lab, socks):
    """The kernel says so of a socket that has been closed: what was said on it would be
    sent."""
    daemon, place = users(lab, socks, "root")
    daemon.pause()
    leave_elsewhere(place, "EHLO x\r\nMAIL FROM:<>\r\n", user=NOBODY)
    wait_until(lambda: is_forgotten(place), "the end of the client's socket")
    daemon.resume()
    wait_until(lambda: daemon.counted("bridge_clients") == 1, "the client")
    assert daemon.counter("bridge_denied") == 1
    assert socks.connections == []


# A kernel without sock_diag, or a sandbox without netlink, and a /proc of processes only.
NO_SOCK_DIAG = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int
socket(int family, int type, int protocol)
{
	if (family != AF_NETLINK)
		return (int)syscall(SYS_socket, family, type, protocol);
	errno = EAFNOSUPPORT;
	return -1;
}

FILE *
fopen(const char *path, const char *mode)
{
	FILE *(*real)(const char *, const char *);

	errno = ENOENT;
	*(void **)&real = dlsym(RTLD_NEXT, "fopen");
	return strncmp(path, "/proc/net", 9) == 0 ? NULL : real(path, mode);
}
"""


@pytest.mark.parametrize("mapped", ["", "::ffff:"])
@pytest.mark.parametrize("user", ["0", "nobody"])
def test_users_without_sock_diag(lab, socks, mapped, user):
    """By /proc, also of a daemon that can't be dumped, whose files there are root's; and
    clients whose sockets are of IPv6."""
    socks.on(A, does.connected(does.speaks_first(b"221\r\n", does.closes)))
    daemon = make_bridged(lab, socks, bridge_users=["nobody"], user=user)
    if user == "nobody":
        lab.dir.chmod(0o777)
        os.chown(lab.dir / "state", NOBODY, NOBODY)
    prefix = preload.make(lab.dir, "nodiag", NO_SOCK_DIAG)
    daemon.args = [*prefix, *daemon.args]
    daemon.start()
    host, port = where(daemon, A)
    place, source = (mapped + host, port), mapped + "127.0.0.1"
    assert hear_elsewhere(place, source=source, user=NOBODY) == b"221\r\n"
    assert hear_elsewhere(place, source=source, user=1, say="x\r\n") == DENIED
    assert hear_elsewhere(place, source=source, say="x\r\n") == DENIED
    assert daemon.counter("bridge_denied") == 2


def test_who_may_not_takes_no_place(lab, socks):
    """Else any user of this machine could stop its mail."""
    daemon = bridged(lab, socks, bridge_users=["root"], bridge_max_clients=1)
    place = where(daemon, A)
    with others(place, 3) as heard:
        assert heard == [b"421"] * 3 and daemon.counted("bridge_denied") == 3
        assert carried(place)


# How long

TOO_LONG = b"421 4.4.2 the session has taken too long\r\n"


@pytest.mark.parametrize("word, told", [(b"250 ok\r\n", True), (b"\x16\3\3\n", False)])
def test_a_session_has_an_end(lab, socks, word, told):
    """Though something always moves. The client is told, but not in TLS."""
    clock = Clock(lab.dir)
    daemon = bridged(lab, socks, prefix=clock.prefix)
    with dial(daemon, A) as s:
        for _ in range(26):
            s.sendall(word)
            assert exactly(s, len(word)) == word
            clock.advance(820)
        # Six hours without a few minutes.
        s.sendall(word)
        assert exactly(s, len(word)) == word
        assert daemon.counted("bridge_sessions_cut") == 0
        clock.advance(300)
        wait_until(lambda: socks.open() == 0, "the end of the connection to tor")
        heard = exactly(s, len(TOO_LONG) if told else 0)
        assert heard == (TOO_LONG if told else b"")
        assert not select.select([s], [], [], 0.2)[0]
    counters = daemon.counters()
    assert (counters["bridge_sessions_cut"], counters["bridge_timeouts"]) == (1, 0)


def test_a_session_ends_in_the_middle_of_a_reply(lab, socks):
    """A client that doesn't read isn't told: it would be in the midst of a line."""
    clock = Clock(lab.dir)
    socks.on(A, does.connected(does.flood))
    daemon = bridged(lab, socks, prefix=clock.prefix, bridge_session_ms=100_000)
    with dial(daemon, A) as s:
        exactly(s, 1)
        clock.advance(101)
        heard = hear(s)
        assert heard.count(0) == len(heard)
    assert daemon.counter("bridge_sessions_cut") == 1


# What may be missing in a kernel: the family of sockets, or what it asks for TCP.
WITHOUT = {
    "sock_diag": """
        #include <errno.h>
        #include <sys/socket.h>
        #include <sys/syscall.h>
        #include <unistd.h>
        int socket(int family, int type, int protocol)
        {
            if (family != AF_NETLINK)
                return syscall(SYS_socket, family, type, protocol);
            errno = EAFNOSUPPORT;
            return -1;
        }
    """,
    "tcp_diag": """
        #include <linux/inet_diag.h>
        #include <linux/netlink.h>
        #include <sys/socket.h>
        #include <sys/syscall.h>
        #include <unistd.h>
        ssize_t sendto(int fd, const void *data, size_t len, int flags,
            const struct sockaddr *to, socklen_t tolen)
        {
            if (to != 0 && to->sa_family == AF_NETLINK)
                ((struct inet_diag_req_v2 *)NLMSG_DATA(data))->sdiag_protocol = 255;
            return syscall(SYS_sendto, fd, data, len, flags, to, tolen);
        }
    """,
}
missing = pytest.mark.parametrize("missing", [None, *WITHOUT])


def on_old_kernel(lab, clock, missing):
    """The words before the daemon's command."""
    if missing is None:
        return clock.prefix
    return together(clock.prefix, make(lab.dir, missing, WITHOUT[missing]))


def fill(s):
    while select.select([], [s], [], 0.2)[1]:
        s.send(bytes(65536))


def hurry(clock, condition, what):
    """Until it is so, a second goes by in a moment."""

    def look():
        clock.advance(1)
        return condition()

    wait_until(look, what)


@missing
@pytest.mark.parametrize("tor", ["connected", "tries", "takes no more"])
def test_who_has_closed_gives_up_the_place(lab, socks, tor, missing):
    """Nothing comes from the server that would show it, and tor has time."""
    clock = Clock(lab.dir)
    servers = {
        "connected": does.connected(does.hangs),
        "tries": does.hangs,
        "takes no more": does.connected(does.never_reads),
    }
    socks.on(A, servers[tor])
    prefix = on_old_kernel(lab, clock, missing)
    settings = {"bridge_max_clients": 1, "bridge_connect_ms": 800_000}
    daemon = bridged(lab, socks, prefix=prefix, **settings)
    other = where(daemon, B)
    with dial(daemon, A) as s:
        reset_at_close(s, False)
        wait_until(lambda: socks.asked, "the request")
        s.sendall(b"EHLO x\r\n")
        if tor == "takes no more":
            fill(s)
    hurry(clock, lambda: carried(other), "the place")
    assert daemon.counter("bridge_abandoned") == 1
    assert clock.ahead < 800


@missing
def test_who_has_said_all_keeps_the_place(lab, socks, missing):
    """As Exim does after QUIT: the answer may take minutes."""
    clock = Clock(lab.dir)
    more = threading.Event()

    async def server(c):
        await c.exactly(6)
        while not more.is_set():
            await does.asyncio.sleep(0.05)
        await c.send(b"250 ok\r\n221 bye\r\n")

    socks.on(A, does.connected(server))
    daemon = bridged(lab, socks, prefix=on_old_kernel(lab, clock, missing))
    with dial(daemon, A) as s:
        wait_until(lambda: daemon.counted("bridge_connected") == 1, "the server")
        s.sendall(b"QUIT\r\n")
        s.shutdown(socket.SHUT_WR)
        for _ in range(5):
            clock.advance(30)
            time.sleep(1.2)  # it looks once a second
        more.set()
        assert hear(s) == b"250 ok\r\n221 bye\r\n"
    assert daemon.counter("bridge_abandoned") == 0


# File descriptors


def limit(daemon, nofile):
    wait_until(lambda: daemon.open_files() <= nofile, "closed descriptors")
    pid = str(daemon.pid)
    subprocess.run(["prlimit", f"--nofile={nofile}:", "--pid", pid], check=True)


def first_words(s):
    s.settimeout(0.5)
    s.sendall(b"x")
    try:
        return s.recv(100)
    except TimeoutError:
        return None


@pytest.mark.parametrize("told_so", [0, 1])
def test_a_shortage_of_descriptors(lab, socks, told_so):
    """Who is there isn't disturbed, nor is a connection to a listener; who comes to the
    bridge is told so, while there is one, or waits. Then it is over."""
    daemon = bridged(lab, socks, map=f"x.example {A}\n")
    place = where(daemon, A)
    files = daemon.open_files()
    limit(daemon, files + 20 + told_so)
    held = [connect_to(place) for _ in range(10)]
    assert all(echoes(s) for s in held)
    late = [connect_to(place) for _ in range(3)]
    words = [first_words(s) for s in late]
    assert words == [NO_DESCRIPTOR] * told_so + [None] * (3 - told_so)
    assert all(echoes(s) for s in held)
    assert daemon.ask("socketmap", "x.example").outcome == ROUTE
    for s in held:
        s.close()
    for s in late[told_so:]:
        s.settimeout(20 * SLACK)
        assert s.recv(1) == b"x"
    for s in late:
        s.close()
    wait_until(lambda: carried(place), "its end")
    assert daemon.ask("readsocket", "x.example").outcome == ROUTE
    wait_until(lambda: daemon.open_files() <= files, "closed descriptors")
    counters = daemon.counters()
    assert counters["bridge_refused"] == told_so and counters["accepts_paused"] > 0
    assert counters["bridge_denied"] == counters["socks_down"] == 0


@pytest.mark.parametrize("names", [["root"], []])
def test_a_last_descriptor(lab, socks, names):
    """There is none to ask whose the client is, or none to tor. It isn't said that the
    client may not connect, nor that tor is down."""
    daemon, place = users(lab, socks, *names)
    used = daemon.open_files()
    limit(daemon, used + 1)
    assert told(place) == NO_DESCRIPTOR
    limit(daemon, used + 20)
    assert carried(place)
    counters = daemon.counters()
    assert counters["bridge_denied"] == counters["socks_down_answers"] == 0
    assert counters["bridge_refused"] == 1


def test_the_bridge_leaves_descriptors_to_the_listeners(lab, socks):
    """Those that there are were shared out at the start."""
    daemon = bridged(lab, socks, map=f"x.example {A}\n", nofile=400)
    places = int(re.search(r"at once, and the bridge (\d+)", daemon.output())[1])
    assert 10 < places < 40
    place = where(daemon, A)
    held = [connect_to(place) for _ in range(places)]
    assert all(echoes(s) for s in held)
    assert [told(place) for _ in range(200)] == [TOO_MANY] * 200
    for listener in ("readsocket", "tcp_table", "socketmap"):
        assert daemon.client(listener).ask("x.example").outcome == ROUTE
    assert daemon.counter("accepts_paused") == 0
    for s in held:
        s.close()


def test_addresses_take_no_descriptors(lab, socks):
    text = "".join(f"d{i}.example {onion(i)}\n" for i in range(300))
    daemon = bridged(lab, socks, map=text)
    where(daemon, "d0.example")
    used = daemon.open_files()
    places = {where(daemon, f"d{i}.example") for i in range(300)}
    assert len(places) == 300 and daemon.open_files() == used
    assert carried(where(daemon, "d299.example"))


# Fairness


@pytest.mark.parametrize("direction", ["to the server", "to the client"])
def test_a_flood_holds_up_nobody(lab, socks, direction):
    socks.on(B, does.connected(does.flood if "client" in direction else does.sink))
    daemon = bridged(lab, socks)
    place = where(daemon, A)
    with dial(daemon, B) as s, connect_to(place) as other:
        over = threading.Event()
        flood = threading.Thread(target=move_all, args=(s, direction, over), daemon=True)
        flood.start()
        times = []
        for _ in range(30):
            began = time.monotonic()
            assert echoes(other)
            assert daemon.ask("socketmap", A).outcome == ROUTE
            assert carried(place)
            times.append(time.monotonic() - began)
        assert flood.is_alive()
        assert max(times) < 1 * SLACK
        over.set()
        flood.join()


def move_all(s, direction, over):
    while not over.is_set():
        s.recv(65536) if "client" in direction else s.send(bytes(65536))


def test_who_waits_for_tor_holds_up_nobody(lab, socks):
    socks.on(B, does.hangs)
    daemon = bridged(lab, socks)
    waiting = [dial(daemon, B) for _ in range(200)]
    wait_until(lambda: len(socks.asked) == 200, "the requests")
    began = time.monotonic()
    for _ in range(10):
        assert carried(where(daemon, A))
    assert time.monotonic() - began < 1 * SLACK
    for s in waiting:
        s.close()
    wait_until(lambda: socks.open() == 0, "the end of the connections to tor")


CLOSED = "tor closed the connection"


def test_tor_down_is_told_though_many_wait(lab, socks):
    """Their number doesn't make it slow."""
    socks.on(B, does.hangs)
    daemon = bridged(lab, socks)
    waiting = [dial(daemon, B) for _ in range(100)]
    wait_until(lambda: len(socks.asked) == 100, "the requests")
    began = time.monotonic()
    socks.stop()
    assert [hear(s) for s in waiting] == [unreachable(CLOSED)] * 100
    assert time.monotonic() - began < 2 * SLACK
