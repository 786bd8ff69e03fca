"""The bridge and its tors: which of them is asked, and what it is told of the client."""

import threading
import time

import pytest

from harness import scripted_socks as does
from harness.bridged import (
    bridged,
    connect_to,
    dial,
    exactly,
    hear,
    refusal,
    unreachable,
    where,
)
from harness.onion import onion
from harness.proc import SLACK, wait_until

A, B, C = onion("a"), onion("b"), onion("c")

TOR_DOWN = unreachable("tor is down")


@pytest.fixture
def tors(lab):
    return [lab.socks() for _ in range(3)]


def echoes(s):
    s.sendall(b"x")
    return exactly(s, 1) == b"x"


def carried(place):
    with connect_to(place) as s:
        s.sendall(b"x")
        return s.recv(1) == b"x"


def asked(tors):
    return [len(tor.asked) for tor in tors]


# Several


def test_the_least_loaded(lab, tors):
    daemon = bridged(lab, *tors)
    place = where(daemon, A)
    clients = [connect_to(place) for _ in range(30)]
    assert all(echoes(s) for s in clients)
    assert asked(tors) == [10, 10, 10]
    for s in clients:
        s.close()
    wait_until(lambda: sum(tor.open() for tor in tors) == 0, "the end")


def test_who_has_left_is_no_load(lab, tors):
    """Nor a target that was refused: the numbers are even again."""
    tors[0].on(B, does.refused(5))
    daemon = bridged(lab, *tors)
    place, other = where(daemon, A), where(daemon, B)
    for _ in range(5):
        assert refusal(daemon, B) == unreachable("connection refused")
    with connect_to(place) as s:
        assert echoes(s)
    wait_until(lambda: tors[0].open() == 0, "the end")
    before = asked(tors)
    clients = [connect_to(p) for p in [place] * 3]
    assert all(echoes(s) for s in clients)
    assert [n - m for n, m in zip(asked(tors), before)] == [1, 1, 1]
    assert other != place
    for s in clients:
        s.close()


def test_a_long_connection_is_load(lab, tors):
    daemon = bridged(lab, *tors)
    place = where(daemon, A)
    with connect_to(place) as s:
        assert echoes(s)
        for _ in range(4):
            assert carried(place)
            wait_until(lambda: sum(t.open() for t in tors) == 1, "the end of the short one")
    assert asked(tors) == [1, 4, 0]


@pytest.mark.parametrize("dead", [0, 1, 2])
def test_one_is_dead(lab, tors, dead):
    """No client notices, and it isn't asked for long."""
    tors[dead].stop()
    daemon = bridged(lab, *tors)
    place = where(daemon, A)
    clients = [connect_to(place) for _ in range(40)]
    assert all(echoes(s) for s in clients)
    alive = [tor for tor in tors if tor is not tors[dead]]
    assert asked(alive) == [20, 20]
    counters = daemon.counters()
    assert counters["bridge_connected"] == 40 and counters["socks_down"] == 1
    assert counters["socks_down_answers"] == counters["bridge_targets_failed"] == 0
    for s in clients:
        s.close()


KINDS = {
    "closes": does.closes,
    "resets": does.resets,
    "isn't SOCKS": does.says(b"HTTP/1.0 400\r\n\r\n"),
    "refuses": does.says(b"\5\xff"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_is_no_tor(lab, tors, kind):
    for tor in tors[:2]:
        tor.greeting = KINDS[kind]
    daemon = bridged(lab, *tors)
    place = where(daemon, A)
    assert all(carried(place) for _ in range(20))
    assert asked(tors) == [0, 0, 20]
    counters = daemon.counters()
    assert counters["socks_down"] == 2 and counters["socks_down_answers"] == 0
    # 5 failures each, and probes.
    for tor in tors[:2]:
        assert 5 <= len(tor.connections) <= 10


def test_one_dies_before_it_answers(lab, tors):
    """The next tor tries the same target; what the client has said isn't lost."""
    tors[0].on(A, does.later(0.2, does.closes))
    daemon = bridged(lab, *tors)
    with dial(daemon, A) as s:
        assert echoes(s)
    assert [tor.hosts() for tor in tors] == [[A], [A], []]
    assert daemon.counter("bridge_targets_failed") == 0


def test_a_refusal_is_not_asked_of_the_next_tor(lab, tors):
    tors[0].on(A, does.refused(0xF0))
    daemon = bridged(lab, *tors)
    assert refusal(daemon, A) == unreachable("descriptor not found")
    assert [tor.hosts() for tor in tors] == [[A], [], []]


def test_each_target_may_have_every_tor(lab, tors):
    """That one of them failed for the first target doesn't matter for the second."""
    tors[0].on(A, does.closes)
    tors[1].on(A, does.refused(1))
    daemon = bridged(lab, *tors, map=f"x.example {A}, {B}\n")
    with dial(daemon, "x.example") as s:
        assert echoes(s)
    assert [tor.hosts() for tor in tors] == [[A, B], [A], []]


def test_one_hangs(lab, tors):
    """In the background another is asked after five seconds."""
    tors[0].greeting = does.hangs
    daemon = bridged(lab, *tors[:2])
    place = where(daemon, A)
    began = time.monotonic()
    clients = [connect_to(place) for _ in range(12)]
    for s in clients:
        s.sendall(b"x")
    wait_until(lambda: len(tors[1].asked) == 6, "those that the other has")
    assert time.monotonic() - began < 1 * SLACK
    assert [exactly(s, 1) for s in clients] == [b"x"] * 12
    assert time.monotonic() - began < 6 + 4 * SLACK
    assert carried(place) and asked(tors[:2]) == [0, 13]
    counters = daemon.counters()
    assert counters["socks_down"] == 1 and counters["socks_down_answers"] == 0
    for s in clients:
        s.close()


# All of them


def test_all_are_dead(lab, tors):
    daemon = bridged(lab, *tors, map=f"x.example {A}, {B}\n")
    place = where(daemon, "x.example")
    for tor in tors:
        tor.stop()
    began = time.monotonic()
    for _ in range(10):
        with connect_to(place) as s:
            assert hear(s) == TOR_DOWN
    assert time.monotonic() - began < 1 * SLACK
    counters = daemon.counters()
    assert counters["socks_down"] == 3 and counters["socks_down_answers"] == 10
    assert counters["bridge_unreachable"] == 0


@pytest.mark.parametrize("count", [1, 3])
def test_they_are_back(lab, tors, count):
    """Without a restart, and without a client that tries."""
    tors = tors[:count]
    daemon = bridged(lab, *tors)
    place = where(daemon, A)
    for tor in tors:
        tor.stop()
    for _ in range(6):
        with connect_to(place) as s:
            assert hear(s) == TOR_DOWN
    assert daemon.counter("socks_down") == count
    for tor in tors:
        tor.connections.clear()
        tor.start()
    wait_until(lambda: all(tor.connections for tor in tors), "the probes")
    wait_until(lambda: carried(place), "the return")
    counters = daemon.counters()
    assert counters["socks_down"] == count and counters["socks_down_answers"] >= 6


def test_while_it_is_down_it_is_only_probed(lab, tors):
    """However many clients come, but for those while the first probe is under way."""
    tor = tors[0]
    tor.greeting = does.closes
    daemon = bridged(lab, tor)
    place = where(daemon, A)
    for _ in range(60):
        with connect_to(place) as s:
            assert hear(s) == TOR_DOWN
    came = len(tor.connections)
    assert 6 <= came <= 15
    wait_until(lambda: len(tor.connections) > came, "probes")
    tor.greeting = None
    wait_until(lambda: carried(place), "the return")
    assert len(tor.asked) >= 1


def test_single_failures_are_forgotten(lab, tors):
    """Only those in a row count."""
    tor = tors[0]
    daemon = bridged(lab, tor)
    place = where(daemon, A)
    for _ in range(4):
        tor.greeting = does.closes
        for _ in range(4):
            with connect_to(place) as s:
                assert hear(s) == TOR_DOWN
        tor.greeting = None
        assert carried(place)
    assert daemon.counter("socks_down") == 0


def test_tors_come_and_go(lab, tors):
    """As long as one of them is there nobody notices, but those who were carried by it."""
    daemon = bridged(lab, *tors)
    place = where(daemon, A)
    over, failures, count = threading.Event(), [], []

    def keep_dialling():
        while not over.is_set():
            with connect_to(place) as s:
                word = s.recv(len(b"220\r\n"))
                count.append(word)
                if word != b"220\r\n":
                    failures.append(word)

    for tor in tors:
        tor.on(A, does.connected(does.speaks_first(b"220\r\n", does.closes)))
    thread = threading.Thread(target=keep_dialling, daemon=True)
    thread.start()
    for tor in (tors[0], tors[1]) * 2:
        before = len(count)
        wait_until(lambda: len(count) > before + 20, "clients")
        tor.greeting = does.resets
        before = len(count)
        wait_until(lambda: len(count) > before + 20, "clients without this tor")
        tor.greeting = None
    over.set()
    thread.join()
    assert failures == [] and daemon.counter("socks_down_answers") == 0


# Circuits


def login(tor):
    """What it was told by the last connection."""
    return tor.asked[-1].user, tor.asked[-1].password


def logins(lab, tors, isolation, keys, text):
    """{key: login} of a connection each."""
    daemon = bridged(lab, *tors, bridge_isolation=isolation, map=text)
    said = {}
    for key in keys:
        with dial(daemon, key) as s:
            assert echoes(s)
        said[key] = max((t for t in tors if t.asked), key=lambda t: len(t.asked))
        said[key] = login(said[key])
    return said


TEXT = f"x.example {A}\ny.example {A}\nz.example {B}\n"
KEYS = ("x.example", "y.example", "z.example")


@pytest.mark.parametrize("isolation, same", [("onion", True), ("domain", False)])
def test_isolation(lab, tors, isolation, same):
    said = logins(lab, tors[:1], isolation, KEYS, TEXT)
    x, y, z = (said[key] for key in KEYS)
    assert (x == y) == same and x != z and y != z
    for user, password in said.values():
        assert user and password and not user.startswith(b"<torS0X>")
        assert not any(w in user + password for w in (b"example", A[:8].encode()))


@pytest.mark.parametrize("isolation", ["onion", "domain"])
def test_the_same_for_ever(lab, tors, isolation):
    """And by every tor; after a restart it is another, which nobody can link."""
    daemon = bridged(lab, *tors, bridge_isolation=isolation, map=TEXT)
    clients = [dial(daemon, "x.example") for _ in range(9)]
    assert all(echoes(s) for s in clients)
    for s in clients:
        s.close()
    said = {(c.user, c.password) for tor in tors for c in tor.asked}
    assert asked(tors) == [3, 3, 3] and len(said) == 1
    daemon.hang_up()
    daemon.terminate()
    daemon.start()
    with dial(daemon, "x.example") as s:
        assert echoes(s)
    wait_until(lambda: sum(asked(tors)) == 10, "the request")
    assert {(c.user, c.password) for tor in tors for c in tor.asked} > said


def test_no_isolation(lab, tors):
    said = logins(lab, tors[:1], "none", KEYS, TEXT)
    assert set(said.values()) == {(None, None)}


def test_isolation_is_of_the_onion_that_is_tried(lab, tors):
    """Not of the first of its domain: else two onions would share a circuit, and one
    onion would have several."""
    tor = tors[0]
    tor.on(A, does.refused(5))
    text = f"x.example {A}, {B}\ny.example {B}\nz.example {C}, {B}\n"
    tor.on(C, does.refused(5))
    logins(lab, [tor], "onion", KEYS, text)
    by_host = {}
    for c in tor.asked:
        by_host.setdefault(c.host, set()).add((c.user, c.password))
    assert tor.hosts() == [A, B, B, C, B]
    assert [len(by_host[host]) for host in (A, B, C)] == [1, 1, 1]
    assert len(set.union(*by_host.values())) == 3


def test_isolation_by_domain_of_an_address_for_all(lab, tors):
    """Given out before: its circuits are at least those of its onion."""
    daemon = bridged(lab, tors[0], bridge_isolation="onion")
    places = where(daemon, A), where(daemon, B)
    daemon.hang_up()
    daemon.terminate()
    daemon.settings["bridge_isolation"] = "domain"
    daemon.write_config()
    daemon.start()
    assert all(carried(place) for place in places)
    a, b = [(c.user, c.password) for c in tors[0].asked]
    assert a != b
