"""What a mail server hears of a server, or a tor, that goes before its time.

Exim 4.97 and later takes a message for delivered when its connection ends between the reply
to RCPT and that to DATA. So no connection is closed in a session, and each line that a client
still sends is answered by 421; in TLS, where that can't be, nothing is said at all."""

import select
import signal
import socket
import time

import pytest

from harness import scripted_socks as does
from harness.bridged import LOST, bridged, dial, exactly, hear
from harness.onion import onion
from harness.proc import SLACK, wait_until

A = onion("a")

# What client and server say up to the text of a message.
MAIL = [
    (b"", b"220 mx ESMTP\r\n"),
    (b"EHLO x\r\n", b"250-mx\r\n250-STARTTLS\r\n250 PIPELINING\r\n"),
    (b"MAIL FROM:<a@a.example>\r\n", b"250 ok\r\n"),
    (b"RCPT TO:<b@b.example>\r\n", b"250 ok\r\n"),
    (b"DATA\r\n", b"354 go on\r\n"),
]
TLS = [*MAIL[:2], (b"STARTTLS\r\n", b"220 go on\r\n")]
RCPT = MAIL[3][0]
CHUNK = b"BDAT 6000 LAST\r\n" + b"x\r\n" * 2000
TEXT = b"Subject: x\r\n\r\nSTARTTLS\r\n"

# How much of it, what the client says then, what the server still says, and what follows.
PLAIN = {
    "connect": (0, b"", b"", LOST),
    "client first": (0, b"EHLO x\r\n", b"", LOST * 2),
    "client first, greeting": (0, b"EHLO x\r\n", b"220-mx\r\n220 mx\r\n", LOST),
    "half a greeting": (0, b"", b"220 m", b"\r\n" + LOST),
    "greeting": (1, b"", b"", LOST),
    "EHLO": (1, b"EHLO x\r\n", b"", LOST),
    "half a reply": (1, b"EHLO x\r\n", b"250-mx\r\n", LOST),
    "half a line": (1, b"EHLO x\r\n", b"250-mx\r\n250", b"\r\n" + LOST),
    "STARTTLS": (2, b"STARTTLS\r\n", b"", LOST),
    "STARTTLS refused": (2, b"STARTTLS\r\n", b"454 no\r\n", LOST),
    "MAIL": (2, b"MAIL FROM:<a@a.example>\r\n", b"", LOST),
    "RCPT": (3, RCPT, b"", LOST),
    "after RCPT": (4, b"", b"", LOST),
    "ten RCPT": (3, RCPT * 10, b"250 ok\r\n", LOST * 9),
    "all at once": (2, MAIL[2][0] + RCPT * 3 + b"DATA\r\n", b"250 ok\r\n550 no\r\n", LOST * 3),
    "large envelope": (3, RCPT * 200, b"", LOST * 200),
    "with the message": (2, MAIL[2][0] + RCPT + CHUNK, b"", LOST * 3),
    "DATA": (4, b"DATA\r\n", b"", LOST),
    "354": (5, b"", b"", LOST),
    "text": (5, TEXT, b"", LOST),
    "dot": (5, TEXT + b".\r\n", b"", LOST),
    "after the dot": (5, TEXT + b".\r\n", b"250 ok\r\n", LOST),
    "its own 421": (4, b"", b"421 4.3.2 going down\r\n", b""),
    "its own 221 for one of ten": (3, RCPT * 10, b"221 bye\r\n", LOST * 9),
    "its own 421 for one of ten": (3, RCPT * 10, b"421 4.3.2 going down\r\n", LOST * 9),
}
HELLO = b"\x16\x03\x01\x02\x00\n"
SILENT = {
    "STARTTLS accepted": (TLS, b"", b""),
    "half an acceptance": (TLS[:2], b"STARTTLS\r\n", b"220 go"),
    "a client's hello": (TLS, HELLO, b""),
    "TLS": (TLS, HELLO, HELLO + b"250 ok\r\n"),
    "TLS from the start": ([], HELLO, b""),
    "TLS from the start, answered": ([], HELLO, HELLO),
    "TLS after a message": (
        [*MAIL, (TEXT + b".\r\n", b"250 ok\r\n"), *TLS[2:]],
        HELLO,
        HELLO,
    ),
}
HOW = ["closes", "resets", "tor dies"]


@pytest.fixture
def socks(lab):
    return lab.socks()


def script(socks, talk, client, server, how):
    async def serve(c):
        for theirs, ours in talk:
            await c.exactly(len(theirs))
            await c.send(ours)
        await c.exactly(len(client))
        await c.send(server)
        await does.asyncio.sleep(0.05)
        if how == "resets":
            c.reset()
        elif how == "tor dies":
            socks.stop()
        elif how == "stays":
            await does.hangs(c)

    socks.on(A, does.connected(serve))


def play(s, talk, client, server):
    for ours, theirs in talk:
        s.sendall(ours)
        assert exactly(s, len(theirs)) == theirs
    s.sendall(client)
    assert exactly(s, len(server)) == server


def is_silent(s, seconds=0.2):
    """Nothing is said, nor is the connection closed."""
    return not select.select([s], [], [], seconds)[0]


def assert_answered(s, reply=LOST):
    """Each further line, for as long as the client stays; whatever it takes them for."""
    for lines in (b"RCPT TO:<c@c.example>\r\n", b"DATA\r\n", RCPT * 5, b".\r\n", b"QUIT\r\n"):
        s.sendall(lines)
        count = lines.count(b"\n")
        assert exactly(s, count * len(reply)) == reply * count
        assert is_silent(s, 0.02)
    s.sendall(b"QUI")
    assert is_silent(s, 0.02)
    s.sendall(b"T\r\n")
    assert exactly(s, len(reply)) == reply
    assert is_silent(s)


def assert_over(daemon, files):
    wait_until(lambda: daemon.open_files() <= files, "closed descriptors")


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("stage", PLAIN)
def test_a_server_that_goes_in_plain_text(lab, socks, stage, how):
    count, client, server, follows = PLAIN[stage]
    script(socks, MAIL[:count], client, server, how)
    daemon = bridged(lab, socks)
    daemon.ask("socketmap", A)
    files = daemon.open_files()
    with dial(daemon, A) as s:
        play(s, MAIL[:count], client, server)
        assert exactly(s, len(follows)) == follows
        assert is_silent(s)
        assert_answered(s)
        assert socks.open() == 0
    assert_over(daemon, files)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("stage", SILENT)
def test_a_server_that_goes_in_tls(lab, socks, stage, how):
    talk, client, server = SILENT[stage]
    script(socks, talk, client, server, how)
    daemon = bridged(lab, socks)
    daemon.ask("socketmap", A)
    files = daemon.open_files()
    with dial(daemon, A) as s:
        play(s, talk, client, server)
        wait_until(lambda: socks.open() == 0, "the end")
        assert is_silent(s)
        s.sendall(HELLO * 1000)
        assert is_silent(s)
    assert_over(daemon, files)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    "talk, server",
    [
        (MAIL, b"221 bye\r\n"),
        ([], b"* OK IMAP\r\n"),
        ([(b"", b"220 mx\r\n")], b"what?\r\n"),
    ],
)
def test_a_server_that_takes_leave(lab, socks, talk, server, how):
    """The client sees the end, as without a bridge."""
    script(socks, talk, b"QUIT\r\n", server, how)
    daemon = bridged(lab, socks)
    with dial(daemon, A) as s:
        play(s, talk, b"QUIT\r\n", server)
        assert hear(s) == b""


@pytest.mark.parametrize("stage", ["greeting", "ten RCPT", "dot", "half a line"])
def test_a_client_that_has_closed_its_half(lab, socks, stage):
    """It is told, and then sees the end."""
    count, client, server, follows = PLAIN[stage]
    script(socks, MAIL[:count], client, server, "closes")
    daemon = bridged(lab, socks)
    with dial(daemon, A) as s:
        play(s, MAIL[:count], client, b"")
        s.shutdown(socket.SHUT_WR)
        assert hear(s) == server + follows


def test_a_long_text(lab, socks):
    """It isn't answered line by line for ever, nor is anybody stuck; its end is."""
    script(socks, MAIL, b"", b"", "closes")
    daemon = bridged(lab, socks)
    with dial(daemon, A) as s:
        play(s, MAIL, b"", b"")
        wait_until(lambda: socks.open() == 0, "the end")
        s.sendall(b"STARTTLS\r\n" * 1_000_000 + b".\r\n")
        heard = exactly(s, 1001 * len(LOST))
        assert heard == LOST * 1001
        assert is_silent(s)
        s.sendall(b"QUIT\r\n")
        assert is_silent(s)


def test_a_client_that_reads_late(lab, socks):
    """More than its buffer holds: no line is lost or cut."""
    last = b"250-" + b"x" * 100 + b"\r\n"
    script(socks, MAIL[:1], b"", last * 1000 + b"250 o", "closes")
    daemon = bridged(lab, socks)
    with dial(daemon, A) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wait_until(lambda: socks.open() == 0, "the end")
        follows = MAIL[0][1] + last * 1000 + b"250 o\r\n" + LOST
        assert exactly(s, len(follows)) == follows
        s.sendall(b"NOOP\r\n" * 500)
        time.sleep(0.2)
        assert exactly(s, 500 * len(LOST)) == LOST * 500
        assert is_silent(s)


# Time


def test_idle_in_plain_text(lab, socks):
    script(socks, MAIL[:4], b"", b"", "stays")
    daemon = bridged(lab, socks, bridge_idle_ms=1000)
    with dial(daemon, A) as s:
        play(s, MAIL[:4], b"", b"")
        idle = b"421 4.4.2 nothing has moved for too long\r\n"
        assert exactly(s, len(idle)) == idle
        assert_answered(s, idle)
        assert socks.open() == 0
    assert daemon.counter("bridge_timeouts") == 1


def test_idle_in_tls(lab, socks):
    script(socks, TLS, HELLO, HELLO, "stays")
    daemon = bridged(lab, socks, bridge_idle_ms=1000)
    with dial(daemon, A) as s:
        play(s, TLS, HELLO, HELLO)
        wait_until(lambda: socks.open() == 0, "the end")
        assert is_silent(s)


@pytest.mark.parametrize("talk", [MAIL, TLS])
@pytest.mark.parametrize("talks", [False, True])
def test_a_client_that_does_not_close(lab, socks, talk, talks):
    """After bridge_farewell_ms it sees the end, but no reset."""
    script(socks, talk, b"", b"", "closes")
    daemon = bridged(lab, socks, bridge_farewell_ms=2000)
    with dial(daemon, A) as s:
        began = time.monotonic()
        play(s, talk, b"", b"")
        wait_until(lambda: socks.open() == 0, "the end")
        if talks:
            s.sendall(b"x" * 100_000)
        assert hear(s) == (b"" if talk is TLS else LOST)
        assert time.monotonic() - began > 1
    assert daemon.counter("bridge_farewells_cut") == 1


def test_the_end_of_the_daemon(lab, socks):
    """Of three sessions that outlast it, one in plain text is told so."""
    script(socks, TLS, HELLO, HELLO, "stays")
    daemon = bridged(lab, socks)
    secret = dial(daemon, A)
    play(secret, TLS, HELLO, HELLO)
    script(socks, MAIL[:4], b"", b"", "stays")
    plain = dial(daemon, A)
    play(plain, MAIL[:4], b"", b"")
    with plain, secret:
        began = time.monotonic()
        daemon.signal(signal.SIGTERM)
        bye = b"421 4.3.2 shutting down\r\n"
        assert exactly(plain, len(bye)) == bye
        assert time.monotonic() - began > 14
        assert_answered(plain, bye)
        plain.close()
        assert hear(secret) == b""  # nothing better can be done
        assert time.monotonic() - began > 19
    assert daemon.wait(5) == 0


def test_the_daemon_does_not_wait_for_who_has_gone(lab, socks):
    script(socks, MAIL[:4], b"", b"", "closes")
    daemon = bridged(lab, socks)
    with dial(daemon, A) as s:
        play(s, MAIL[:4], b"", b"")
        assert exactly(s, len(LOST)) == LOST
        daemon.signal(signal.SIGTERM)
        assert is_silent(s)
        s.close()
        began = time.monotonic()
        assert daemon.wait(5) == 0
        assert time.monotonic() - began < 3 * SLACK


def test_who_spoke_early_is_refused_without_a_reset(lab, socks):
    """However many there are."""
    socks.on(A, does.hangs)
    daemon = bridged(lab, socks, bridge_max_clients=1)
    clients = [dial(daemon, A) for _ in range(100)]
    for s in clients:
        s.sendall(b"EHLO x\r\n")
    heard = []
    for s in clients[10:]:
        heard.append(hear(s))
        s.close()
    assert heard == [b"421 4.3.2 too many connections\r\n"] * 90
