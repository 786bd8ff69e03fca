"""What strangers fill is shared, and what they make slow holds up nobody else's mail."""

import socket
import threading
import time

import pytest

from harness import behaviours as does
from harness.clients import ROUTE, TEMP, connect
from harness.onion import onion
from harness.proc import SLACK, wait_until

DEADLINE = "no answer before the deadline"


@pytest.fixture
def dns(lab):
    """Names below "dead" are never answered; others have a route."""
    dns = lab.dns()
    dns.below("dead.example", does.silence())
    dns.below("org", does.one("good"))
    return dns


def test_another_client_gets_a_place(lab, dns):
    daemon = lab.daemon(dns=dns, max_queries=60)
    client = daemon.client("tcp_table")
    with connect(daemon.address("tcp_table")) as s:
        s.sendall(b"".join(client.request(f"d{i}.dead.example") for i in range(60)))
        wait_until(lambda: daemon.counted("lookups") == 60, "the lookups")
        for i in range(20):
            for listener in ("tcp_table", "socketmap"):
                answer = daemon.ask(listener, f"{listener}{i}.good.org")
                assert answer.hosts() == [onion("good")]
        assert daemon.counted("queries_full") == 0
        assert 0 < daemon.counted("queries_displaced") <= 30
        # The first half isn't given up; the first of the other half was told why.
        assert daemon.counted("deadlines") == 0
        names = dns.names()
        assert len([n for n in names if n.endswith("dead.example")]) == 60


def test_another_client_gets_a_place_among_lookups(lab, dns):
    daemon = lab.daemon(dns=dns, max_lookups=60)
    client = daemon.client("tcp_table")
    with connect(daemon.address("tcp_table")) as s:
        s.sendall(60 * client.request("d.dead.example"))
        wait_until(lambda: daemon.counted("lookups") == 60, "the lookups")
        assert daemon.ask("tcp_table", "a.good.org").outcome == ROUTE
    assert daemon.counted("lookups_full") == 0
    assert daemon.counted("lookups_displaced") == 1


def mail_server(daemon, names, good):
    """One connection asks for all names, with a good one after each ten. Returns the time
    that it took, how many of the good ones were right at once, and the others."""
    client = daemon.client("tcp_table")
    late = []
    start = time.monotonic()
    for i, name in enumerate(names):
        assert client.ask(name) == (TEMP, DEADLINE)
        if i % 10 == 0:
            answer = client.ask(good(i))
            if answer.outcome != ROUTE:
                assert answer.outcome == TEMP
                late.append(good(i))
    took = time.monotonic() - start
    for name in late:
        wait_until(lambda name=name: client.ask(name).outcome == ROUTE, name)
    client.close()
    return took, late


NAMES = 200


@pytest.mark.parametrize("kind", ["zone", "zones"])
def test_dead_names_hold_up_no_mail(lab, dns, kind):
    dns.below("zone.example", does.silence())
    dns.below("zones.example", does.silence())
    for i in range(NAMES):
        dns.below(f"zone{i}.net", does.silence())
    daemon = lab.daemon(lab.listeners(deadline_ms=500), dns=dns)
    names = {
        "zone": [f"d{i}.zone.example" for i in range(NAMES)],
        "zones": [f"mail.zone{i}.net" for i in range(NAMES)],
    }[kind]
    took, late = mail_server(daemon, names, "good{}.org".format)
    # Of 100 s, if each took its deadline.
    assert took < 30 * SLACK
    assert len(late) <= (1 if SLACK == 1 else NAMES // 10)
    assert daemon.counted("deadlines_shortened") > NAMES // 2
    # Whoever comes next waits as long as ever.
    start = time.monotonic()
    assert daemon.ask("tcp_table", "d.dead.example") == (TEMP, DEADLINE)
    assert time.monotonic() - start >= 0.49


def test_a_connection_for_each_question_has_no_budget(lab, dns):
    daemon = lab.daemon(lab.listeners(deadline_ms=100), dns=dns)
    for i in range(8):
        assert daemon.ask("readsocket", f"d{i}.dead.example") == (TEMP, DEADLINE)
    assert daemon.counted("deadlines_shortened") == 0
    for i in range(8):
        daemon.ask("socketmap", f"e{i}.dead.example")
    assert daemon.counted("deadlines_shortened") > 0


def test_each_client_has_its_turn(lab):
    """All send more than is taken at once, and are answered in order."""
    names = 50
    daemon = lab.daemon(map="".join(f"d{i}.example {onion(i)}\n" for i in range(names)))
    client = daemon.client("socketmap")
    count = 5000
    requests = b"".join(client.request(f"d{i % names}.example") for i in range(count))
    wrong = []

    def flood():
        with connect(daemon.address("socketmap")) as s:
            sender = threading.Thread(target=lambda: (s.sendall(requests), s.shutdown(
                socket.SHUT_WR)))
            sender.start()
            with s.makefile("rb") as file:
                for i in range(count):
                    if client.next_answer(file).hosts() != [onion(i % names)]:
                        wrong.append(i)
            sender.join()

    crowd = [threading.Thread(target=flood) for _ in range(4)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert not wrong
    assert daemon.counted("answers_route") == 4 * count
