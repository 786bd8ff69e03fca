"""How the bridge finds a target that answers, and what its client hears when none does."""

import re
import time

import pytest

from harness import behaviours as dns_does
from harness import scripted_socks as does
from harness.bridged import (
    bridged,
    change_map,
    connect_to,
    dial,
    exactly,
    hear,
    refusal,
    reset_at_close,
    unreachable,
    where,
)
from harness.onion import onion
from harness.proc import SLACK, wait_until

A, B, C = onion("a"), onion("b"), onion("c")

REASONS = {
    0x01: "tor couldn't connect",
    0x02: "not allowed",
    0x03: "network unreachable",
    0x04: "host unreachable",
    0x05: "connection refused",
    0x06: "timed out",
    0x07: "command not supported",
    0x08: "address type not supported",
    0x09: "unknown failure",
    0xEF: "unknown failure",
    0xF0: "descriptor not found",
    0xF1: "descriptor is invalid",
    0xF2: "introduction failed",
    0xF3: "rendezvous failed",
    0xF4: "client authorization is missing",
    0xF5: "client authorization is wrong",
    0xF6: "no onion service can have this name",
    0xF7: "introduction timed out",
    0xF8: "unknown failure",
    0xFF: "unknown failure",
}

# Bytes that the server says: the method, the login, a reply with an IPv4 address.
BEFORE_REPLY = 2 + 2
CONVERSATION = BEFORE_REPLY + 10


@pytest.fixture
def socks(lab):
    return lab.socks()


@pytest.fixture
def dns(lab):
    dns = lab.dns()
    dns.on("x.example", dns_does.srv((30, 0, 26, C), (10, 0, 25, A), (20, 0, 2525, B)))
    return dns


@pytest.fixture
def daemon(lab, socks, dns):
    return bridged(lab, socks, dns=dns)


def asked(socks):
    return [(c.host, c.port) for c in socks.asked]


def answers(s, word=b"EHLO x\r\n"):
    s.sendall(word)
    return exactly(s, len(word)) == word


# The order


def test_the_first_answers(daemon, socks):
    with dial(daemon, "x.example") as s:
        assert answers(s)
    assert asked(socks) == [(A, 25)]


def test_the_order_is_that_of_the_srv_records(daemon, socks):
    """On one connection of the client, which notices nothing."""
    socks.on(A, does.refused(4))
    socks.on(B, does.refused(0xF0))
    socks.on(C, does.connected(does.speaks_first(b"220 c\r\n", does.echo)))
    with dial(daemon, "x.example") as s:
        assert exactly(s, 7) == b"220 c\r\n"
        assert answers(s)
    assert asked(socks) == [(A, 25), (B, 2525), (C, 26)]
    counters = daemon.counters()
    assert counters["bridge_targets_failed"] == 2
    assert counters["bridge_clients"] == counters["bridge_connected"] == 1
    assert counters["bridge_unreachable"] == counters["socks_down_answers"] == 0


def test_each_connection_begins_with_the_first(daemon, socks):
    socks.on(A, does.refused(1))
    for _ in range(3):
        with dial(daemon, "x.example") as s:
            assert answers(s)
    assert asked(socks) == [(A, 25), (B, 2525)] * 3


def test_the_order_of_the_map(lab, socks):
    for host in (A, B, C):
        socks.on(host, does.refused(5))
    daemon = bridged(lab, socks, map=f"x.example {C}:2, {A}, {B}:3\n")
    assert refusal(daemon, "x.example") == unreachable("connection refused")
    assert asked(socks) == [(C, 2), (A, 25), (B, 3)]


def test_one_onion_on_two_ports(lab, socks):
    socks.on(A, does.refused(5))
    daemon = bridged(lab, socks, map=f"x.example {A}:2, {A}:1\n")
    assert refusal(daemon, "x.example") == unreachable("connection refused")
    assert asked(socks) == [(A, 2), (A, 1)]


def test_the_order_changes(lab, socks):
    """The address doesn't."""
    daemon = bridged(lab, socks, map=f"x.example {A}, {B}\n")
    before = where(daemon, "x.example")
    change_map(lab, daemon, f"x.example {B}, {A}\n")
    assert where(daemon, "x.example") == before
    with connect_to(before) as s:
        assert answers(s)
    assert socks.hosts() == [B]


def test_sixteen_targets(lab, socks):
    hosts = [onion(i) for i in range(16)]
    for host in hosts:
        socks.on(host, does.refused(4))
    daemon = bridged(lab, socks, map=f"x.example {', '.join(hosts)}\n")
    assert refusal(daemon, "x.example") == unreachable("host unreachable")
    assert socks.hosts() == hosts


def test_the_client_sees_nothing_before(daemon, socks):
    socks.on(A, does.later(0.3, does.refused(1)))
    socks.on(B, does.later(0.3, does.connected(does.echo)))
    with dial(daemon, "x.example") as s:
        s.settimeout(0.4)
        with pytest.raises(TimeoutError):
            s.recv(1)
        s.settimeout(20 * SLACK)
        assert answers(s)


def test_what_a_client_has_said_is_for_the_one_that_answers(daemon, socks):
    socks.on(A, does.later(0.2, does.refused(1)))
    with dial(daemon, "x.example") as s:
        assert answers(s, b"x" * 100000)
    a, b = socks.asked
    assert a.received == b"" and b.received == b"x" * 100000


@pytest.mark.parametrize("host", [A, "mail." + A])
def test_the_request_has_the_name_of_the_service(daemon, socks, host):
    with dial(daemon, host) as s:
        assert answers(s)
    assert asked(socks) == [(A, 25)]


# None answers


@pytest.mark.parametrize("code", REASONS)
def test_reasons(daemon, socks, code):
    socks.on(A, does.refused(code))
    assert refusal(daemon, A) == unreachable(REASONS[code])
    assert daemon.counter("bridge_unreachable") == 1


def failures(daemon, key):
    """What onionmap explain says of the last connections to its targets."""
    lines = daemon.onionmap("explain", key).splitlines()
    return [re.sub(r"\d+ s ago", "N s ago", line) for line in lines if " failed " in line]


def test_explain_says_why_a_target_failed(daemon, socks):
    """A key that is no point of the curve has a valid checksum, so only tor tells."""
    assert failures(daemon, "x.example") == failures(daemon, A) == []
    socks.on(A, does.refused(0xF6))
    socks.on(B, does.refused(0x05))
    with dial(daemon, "x.example") as s:
        assert answers(s)
    assert failures(daemon, "x.example") == [
        f"tor: {A}:25 failed N s ago: no onion service can have this name",
        f"tor: {B}:2525 failed N s ago: connection refused",
    ]
    assert failures(daemon, A) == failures(daemon, "x.example")[:1]
    assert failures(daemon, B) == []  # at another port
    socks.on(A, does.connected(does.echo))
    with dial(daemon, A) as s:
        assert answers(s)
    assert failures(daemon, A) == []


def test_the_reason_is_the_last_one(daemon, socks):
    for host, code in ((A, 0xF0), (B, 0xF2), (C, 0x05)):
        socks.on(host, does.refused(code))
    assert refusal(daemon, "x.example") == unreachable("connection refused")
    counters = daemon.counters()
    assert counters["bridge_targets_failed"] == 3
    assert counters["bridge_unreachable"] == 1


def test_a_refusal_of_two_bytes(daemon, socks):
    """The rest of it says nothing."""
    socks.on(A, does.says_and_hangs(b"\5\xf0"))
    assert refusal(daemon, A) == unreachable("descriptor not found")


def test_a_target_that_is_refused_is_no_failure_of_tor(daemon, socks):
    socks.on(A, does.refused(0xF0))
    for _ in range(12):
        assert refusal(daemon, A) == unreachable("descriptor not found")
    with dial(daemon, B) as s:
        assert answers(s)
    assert daemon.counter("socks_down") == 0


@pytest.mark.parametrize("size", [0, 1, 1000000])
def test_who_speaks_first_still_hears_why(daemon, socks, size):
    """A reset would take the words away."""
    socks.on(A, does.later(0.2, does.refused(5)))
    with dial(daemon, A) as s:
        s.setblocking(False)
        while size > 0:
            try:
                size -= s.send(bytes(size))
            except BlockingIOError:
                break
        s.settimeout(20 * SLACK)
        assert hear(s) == unreachable("connection refused")


# Time


def test_a_target_that_hangs_is_given_up(lab, socks, dns):
    socks.on(A, does.hangs)
    daemon = bridged(lab, socks, dns=dns, bridge_connect_ms=500)
    with dial(daemon, "x.example") as s:
        began = time.monotonic()
        assert answers(s)
        assert 0.4 < time.monotonic() - began < 0.5 + 4 * SLACK
    assert asked(socks) == [(A, 25), (B, 2525)]
    wait_until(lambda: socks.asked[0].closed, "the end of the first")
    counters = daemon.counters()
    assert counters["bridge_timeouts"] == counters["bridge_targets_failed"] == 1
    assert counters["socks_down"] == 0


def test_all_hang(lab, socks):
    for host in (A, B):
        socks.on(host, does.hangs)
    daemon = bridged(lab, socks, map=f"x.example {A}, {B}\n", bridge_connect_ms=100)
    assert refusal(daemon, "x.example") == unreachable("timed out")
    assert daemon.counter("bridge_timeouts") == 2
    wait_until(lambda: socks.open() == 0, "the end of both")


def test_half_a_reply_hangs(lab, socks):
    socks.on(A, does.says_and_hangs(does.IPV4[:7]))
    daemon = bridged(lab, socks, bridge_connect_ms=100)
    assert refusal(daemon, A) == unreachable("timed out")


def test_a_tor_that_hangs_before_the_request(daemon, socks):
    """What it does by itself doesn't take it long."""
    socks.login = does.hangs
    began = time.monotonic()
    assert refusal(daemon, A) == unreachable("tor is down")
    assert 4.5 < time.monotonic() - began < 6 + 4 * SLACK


# Tor is no SOCKS server


def test_nothing_listens(daemon, socks):
    """At once, however often: it isn't waited for."""
    socks.stop()
    began = time.monotonic()
    for _ in range(8):
        assert refusal(daemon, A) == unreachable("tor is down")
    assert time.monotonic() - began < 1 * SLACK
    counters = daemon.counters()
    assert counters["socks_down_answers"] == 8 and counters["socks_down"] == 1
    assert counters["bridge_targets_failed"] == counters["bridge_unreachable"] == 0


CLOSED = "tor closed the connection"
RUBBISH = {
    "closes": does.closes,
    "resets": does.resets,
    "HTTP": does.says_and_hangs(b"HTTP/1.0 501 Tor is not an HTTP Proxy\r\n\r\n"),
    "SMTP": does.says_and_hangs(b"220 mail.example.org ESMTP\r\n"),
    "SOCKS4": does.says_and_hangs(b"\0\x5b\0\0\0\0\0\0"),
    "long": does.says_and_hangs(b"\xff" * 100000),
    "zeros": does.says_and_hangs(bytes(1000)),
}


@pytest.mark.parametrize("step", ["greeting", "login", "reply"])
@pytest.mark.parametrize("how", RUBBISH)
def test_rubbish(daemon, socks, how, step):
    if step == "reply":
        socks.on(A, RUBBISH[how])
    else:
        setattr(socks, step, RUBBISH[how])
    closed = step == "reply" and how in ("closes", "resets")
    assert refusal(daemon, A) == unreachable(CLOSED if closed else "tor is down")
    assert daemon.counter("socks_down_answers") == (not closed)


@pytest.mark.parametrize("how", ["closes", "resets"])
def test_tor_closes_without_a_reply(lab, socks, how):
    """The next target is tried, and it isn't tor that has failed, however often."""
    socks.on(A, RUBBISH[how])
    daemon = bridged(lab, socks, map=f"x.example {A}, {B}\n")
    for _ in range(8):
        with dial(daemon, "x.example") as s:
            assert answers(s)
    assert {target for target in asked(socks)} == {(A, 25), (B, 25)}
    counters = daemon.counters()
    assert counters["bridge_targets_failed"] == 8
    assert counters["socks_down"] == counters["socks_down_answers"] == 0


def test_tor_closes_without_a_reply_beside_another(lab, socks):
    """That may know the target better."""
    other = lab.socks()
    socks.on(A, does.closes)
    daemon = bridged(lab, socks, other)
    for _ in range(4):
        with dial(daemon, A) as s:
            assert answers(s)
    assert asked(socks) and len(asked(other)) == 4
    assert daemon.counter("bridge_targets_failed") == 0


@pytest.mark.parametrize("method", [0, 1, 255])
def test_another_method_than_was_offered(daemon, socks, method):
    socks.greeting = does.says_and_hangs(bytes([5, method]))
    assert refusal(daemon, A) == unreachable("tor is down")


def test_the_login_is_refused(daemon, socks):
    socks.login = does.says_and_hangs(b"\1\1")
    assert refusal(daemon, A) == unreachable("tor is down")


@pytest.mark.parametrize("kind", [0, 2, 5, 255])
def test_an_unknown_type_of_address(daemon, socks, kind):
    socks.on(A, does.says_and_hangs(bytes([5, 0, 0, kind]) + bytes(20)))
    assert refusal(daemon, A) == unreachable("tor is down")


@pytest.mark.parametrize("count", range(CONVERSATION))
def test_cut_off(daemon, socks, count):
    """After so many bytes; what was whole before doesn't matter."""
    socks.cut = count
    why = CLOSED if count >= BEFORE_REPLY else "tor is down"
    assert refusal(daemon, A) == unreachable(why)
    socks.cut = None
    with dial(daemon, A) as s:
        assert answers(s)


# Tor is odd, but right


@pytest.mark.parametrize("reply", ["IPV4", "IPV6", "LONGEST"])
def test_byte_by_byte(daemon, socks, reply):
    socks.slowly = True
    socks.on(A, does.connected(does.echo, getattr(does, reply)))
    with dial(daemon, A) as s:
        assert answers(s)


def test_an_empty_name(daemon, socks):
    socks.on(A, does.connected(does.echo, b"\5\0\0\3\0\0\0", b"220\r\n"))
    with dial(daemon, A) as s:
        assert exactly(s, 5) == b"220\r\n"
        assert answers(s)


# The client leaves


@pytest.mark.parametrize("how", ["closes", "resets"])
def test_a_client_that_leaves_while_tor_tries(daemon, socks, how):
    """Nothing goes on: neither this target nor the next."""
    socks.on(A, does.hangs)
    s = dial(daemon, "x.example")
    wait_until(lambda: socks.asked, "the request")
    reset_at_close(s, how == "resets")
    s.close()
    wait_until(lambda: socks.open() == 0, "the end of the connection to tor")
    assert socks.hosts() == [A]
    counters = daemon.counters()
    assert counters["bridge_targets_failed"] == counters["bridge_unreachable"] == 0


def test_a_client_that_leaves_before_tor_answers_at_all(daemon, socks):
    socks.greeting = does.hangs
    s = dial(daemon, A)
    wait_until(lambda: socks.open() == 1, "the connection to tor")
    s.close()
    wait_until(lambda: socks.open() == 0, "its end")
    assert daemon.counter("socks_down_answers") == 0


def test_who_reads_nothing_of_the_refusal(daemon, socks):
    """It doesn't stay for ever."""
    socks.on(A, does.refused(5))
    with dial(daemon, A) as s:
        assert exactly(s, 3) == b"421"
        wait_until(lambda: socks.open() == 0, "the end of the connection to tor")
        before = daemon.open_files()
        began = time.monotonic()
        wait_until(lambda: daemon.open_files() < before, "the end")
        assert time.monotonic() - began < 7 + 4 * SLACK
