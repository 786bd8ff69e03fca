"""What Postfix does, with the lines of conf/, when the daemon is at fault."""

import time

import pytest

from harness.onion import onion
from harness.proc import LOOPBACK, free_port, wait_until

from .faulty import CLOSE, HANG, Act, Faulty, netstring
from .postfix import transport_maps

RECIPIENT = "user@pinned.example"
RIGHT = f"smtptor:[{onion('pinned')}]:25".encode()

TABLES = ("proxy", "chroot", "tcp")

every_table = pytest.mark.parametrize("table", TABLES)

# Debian's defaults, but for the pauses that come after the failure.
SOONER = "service_throttle_time = 1s\ntransport_retry_time = 1s\n"


def found(table, value):
    if table == "tcp":
        return b"200 " + value + b"\n"
    return netstring(b"OK " + value)


def not_found(table):
    return b"500 not%20found\n" if table == "tcp" else netstring(b"NOTFOUND ")


class Broken:
    """A Postfix, and a server that has a fault for one recipient. Other keys, such as
    "*", are answered: a fault there would only help to make the mail wait."""

    def __init__(self, lab, net, postfix, table):
        self.net = net
        self.table = table
        self.act = Act(found(table, RIGHT))
        self.postfix = postfix
        self.sink = net.sink()
        net.socks.route(onion("pinned"), 25, self.sink)
        place = {
            "tcp": (LOOPBACK, free_port()),
            "chroot": postfix.in_queue_directory,
            "proxy": lab.dir / "s",
        }[table]
        protocol = "tcp_table" if table == "tcp" else "socketmap"
        self.faulty = Faulty(protocol, place, self.answer)
        main = transport_maps(table, place if table != "chroot" else None)
        postfix.configure(main + SOONER)

    def answer(self, key):
        if key == RECIPIENT:
            return self.act
        return Act(not_found(self.table))

    def start(self, server=True):
        if server:
            self.net.run(self.faulty)
        self.net.run(self.postfix)
        return self

    def warm_up(self):
        """Mail that goes the normal way; it leaves connections to the server open."""
        self.postfix.send("user@elsewhere.example")
        assert self.postfix.attempt("user@elsewhere.example").status == "sent"
        wait_until(lambda: not self.postfix.queue(), "the queue to be empty")
        self.net.clearnet.connections = 0

    def must_wait(self):
        """The message is in the queue, and nobody was connected to."""
        self.postfix.send(RECIPIENT)
        attempt = self.postfix.attempt(RECIPIENT)
        assert attempt.status == "deferred", attempt
        assert (attempt.dsn, attempt.relay) == ("4.3.0", "none")
        self.nothing_left()

    def nothing_left(self):
        assert len(self.postfix.queue()) == 1
        assert self.net.socks.asked == []
        assert self.net.clearnet.connections == 0
        assert self.net.home.connections == 0

    def must_arrive(self, number=1):
        """Once, and in the right place."""
        attempt = self.postfix.attempt(RECIPIENT, number)
        assert attempt.status == "sent", attempt
        assert len(self.sink.to(RECIPIENT)) == 1
        assert self.net.clearnet.connections == 0


@pytest.fixture
def make_broken(lab, net, make_postfix):
    return lambda table: Broken(lab, net, make_postfix(), table)


@every_table
def test_right_answer(make_broken, table):
    broken = make_broken(table).start()
    broken.postfix.send(RECIPIENT)
    broken.must_arrive()
    assert RECIPIENT in broken.faulty.asked


@every_table
def test_not_found_goes_the_normal_way(net, make_broken, table):
    broken = make_broken(table).start()
    broken.postfix.send("user@elsewhere.example")
    assert broken.postfix.attempt("user@elsewhere.example").status == "sent"
    assert len(net.clearnet.messages) == 1
    assert net.socks.asked == []


TCP_ANSWERS = {
    "400": b"400 no%20answer\n",
    "600": b"600 what\n",
    "garbage": b"\xff\xfe garbage\n",
    "NUL": b"\x00\n",
    "500 without a space": b"500\n",
    "empty value": b"200 \n",
    "CRLF": b"200 \r\n",
}

SOCKETMAP_ANSWERS = {
    "TEMP": netstring(b"TEMP no answer"),
    "TIMEOUT": netstring(b"TIMEOUT no answer"),
    "PERM": netstring(b"PERM no answer"),
    "unknown word": netstring(b"WHAT no answer"),
    "no netstring": b"garbage\n",
    "wrong end": netstring(b"NOTFOUND ")[:-1] + b";",
    "NUL": netstring(b"\0"),
    "empty netstring": netstring(b""),
    "empty value": netstring(b"OK "),
}

WRONG = [
    pytest.param(table, answer, id=f"{table}-{name}")
    for table in TABLES
    for name, answer in (TCP_ANSWERS if table == "tcp" else SOCKETMAP_ANSWERS).items()
]


@pytest.mark.parametrize("table, answer", WRONG)
def test_wrong_answer_waits(make_broken, table, answer):
    broken = make_broken(table).start()
    broken.act = Act(answer)
    broken.must_wait()


# Ten tries with a second between two of them, by tcp_table: nothing can shorten that.


@every_table
def test_closes_without_an_answer(make_broken, table):
    broken = make_broken(table).start()
    broken.act = Act(then=CLOSE)
    broken.must_wait()


@every_table
def test_cut_answer(make_broken, table):
    broken = make_broken(table).start()
    broken.act = Act(found(table, RIGHT)[:-2], CLOSE)
    broken.must_wait()


@every_table
def test_nobody_listens(make_broken, table):
    broken = make_broken(table).start()
    broken.warm_up()
    broken.faulty.stop()
    broken.must_wait()


@pytest.mark.parametrize("table", ["proxy", "chroot"])
def test_no_socket(make_broken, table):
    """From the start: "*" has no answer, either."""
    make_broken(table).start(server=False).must_wait()


def test_ten_kilobytes_by_tcp(make_broken):
    broken = make_broken("tcp").start()
    broken.act = Act(found("tcp", b"a" * 10000))
    broken.must_wait()


@pytest.mark.parametrize("table", ["proxy", "chroot"])
def test_ten_kilobytes_by_socketmap(make_broken, table):
    """The queue manager dies of it each time. No mail is lost, nor misled, and it goes
    on as soon as the answer is right."""
    broken = make_broken(table).start()
    broken.act = Act(found(table, b"a" * 10000))
    broken.postfix.send(RECIPIENT)
    wait_until(lambda: "fatal" in broken.postfix.log(), "the queue manager to die")
    broken.nothing_left()
    broken.act = Act(found(table, RIGHT))
    # What starts it again is the next message, or this.
    broken.postfix.flush()
    broken.must_arrive()


@every_table
def test_closes_after_each_answer(make_broken, table):
    broken = make_broken(table).start()
    broken.act = Act(found(table, RIGHT), CLOSE)
    broken.postfix.send(RECIPIENT)
    broken.must_arrive()


@every_table
def test_restarts(make_broken, table):
    """Between two messages; the first one has left a connection open."""
    broken = make_broken(table).start()
    broken.warm_up()
    broken.faulty.stop()
    broken.faulty.start()
    broken.postfix.send(RECIPIENT)
    broken.must_arrive()


@every_table
def test_hangs(make_broken, table):
    """Postfix waits for 100 seconds, and no parameter shortens that. So: for as long as
    the daemon hangs, nothing moves; and then the mail goes where it should."""
    broken = make_broken(table).start()
    broken.act = Act(then=HANG)
    broken.postfix.send(RECIPIENT)
    wait_until(lambda: RECIPIENT in broken.faulty.asked, "the question")
    time.sleep(3)
    assert broken.postfix.attempts(RECIPIENT) == []
    broken.nothing_left()
    broken.act = Act(found(table, RIGHT))
    broken.faulty.released.set()
    broken.must_arrive()
