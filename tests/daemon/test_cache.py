"""What is remembered, for how long, and that a question under way is asked once.

Lifetimes are seconds: the tests wait for what must happen, and look that what must not
happen hasn't happened within a time that is short for it."""

import threading
import time

import pytest

from harness import behaviours as does
from harness.clients import NONE, ROUTE, TEMP
from harness.onion import onion
from harness.proc import wait_until


@pytest.fixture
def dns(lab):
    dns = lab.dns()
    dns.on("x.example", does.one("x", ttl=1))
    return dns


def asked_again(daemon, dns, domain="x.example"):
    """Asks until DNS has been asked a second time; how long that took."""
    began = time.monotonic()
    wait_until(
        lambda: daemon.ask("tcp_table", domain) and dns.count(domain) > 1,
        "a second query",
    )
    return time.monotonic() - began


def not_asked_again(daemon, dns, domain="x.example", seconds=2.5):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert daemon.ask("tcp_table", domain)
        time.sleep(0.1)
    return dns.count(domain) == 1


def test_ttl_of_the_answer(lab, dns):
    daemon = lab.daemon(dns=dns, min_ttl=0)
    assert asked_again(daemon, dns) > 0.9


def test_minimum_ttl(lab, dns):
    daemon = lab.daemon(dns=dns, min_ttl=60)
    assert not_asked_again(daemon, dns)


def test_maximum_ttl(lab, dns):
    dns.on("x.example", does.one("x", ttl=86400))
    daemon = lab.daemon(dns=dns, min_ttl=0, max_ttl=1)
    assert asked_again(daemon, dns) > 0.9


def test_negative_ttl_is_the_lesser_of_two(lab, dns):
    """RFC 2308: the TTL of the SOA or its last field."""
    dns.on("x.example", does.nxdomain(ttl=1, minimum=3600))
    dns.on("y.example", does.nodata(ttl=3600, minimum=1))
    daemon = lab.daemon(dns=dns, min_ttl=0)
    assert asked_again(daemon, dns, "x.example") > 0.9
    assert asked_again(daemon, dns, "y.example") > 0.9


def test_maximum_negative_ttl(lab, dns):
    dns.on("x.example", does.nxdomain(ttl=86400, minimum=86400))
    daemon = lab.daemon(dns=dns, min_ttl=0, max_negative_ttl=1)
    assert asked_again(daemon, dns) > 0.9


def test_minimum_ttl_of_absence(lab, dns):
    dns.on("x.example", does.nxdomain(ttl=0, minimum=0))
    daemon = lab.daemon(dns=dns, min_ttl=60)
    assert daemon.ask("tcp_table", "x.example").outcome == NONE
    assert not_asked_again(daemon, dns, seconds=1)


def test_changed_records_are_seen(lab, dns):
    daemon = lab.daemon(dns=dns, min_ttl=0)
    assert daemon.ask("tcp_table", "x.example").hosts() == [onion("x")]
    dns.on("x.example", does.one("y", ttl=1))
    wait_until(
        lambda: daemon.ask("tcp_table", "x.example").hosts() == [onion("y")], "the change"
    )


def test_one_cache_for_all_listeners(lab, dns):
    daemon = lab.daemon(dns=dns, tor=lab.tor())
    for listener in daemon.listeners:
        assert daemon.ask(listener, "X.example").outcome == ROUTE
    assert dns.count("x.example") == 1
    counters = daemon.counters()
    assert counters["cache_hits"] == len(daemon.listeners) - 1
    assert counters["cache_misses"] == counters["dns_queries"] == 1


def test_full_cache(lab, dns):
    for i in range(20):
        dns.on(f"d{i}.example", does.one(i))
    daemon = lab.daemon(dns=dns, cache_entries=10)
    for i in range(20):
        daemon.ask("tcp_table", f"d{i}.example")
    assert daemon.counter("cache_evictions") == 10
    assert daemon.ask("tcp_table", "d19.example").outcome == ROUTE
    assert dns.count("d19.example") == 1
    assert daemon.ask("tcp_table", "d0.example").outcome == ROUTE
    assert dns.count("d0.example") == 2


def test_concurrent_questions_share_a_query(lab, dns):
    dns.on("x.example", does.delay(0.5, does.one("x")))
    daemon = lab.daemon(dns=dns)
    answers = []

    def ask(listener):
        answers.append(daemon.client(listener).ask("user@x.example"))

    threads = [
        threading.Thread(target=ask, args=(listener,))
        for listener in ("tcp_table", "socketmap") * 10
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [a.hosts() for a in answers] == [[onion("x")]] * len(threads)
    assert dns.count("x.example") == 1


def test_concurrent_questions_for_one_onion(lab):
    """Tor is asked once for what several wait for at the same time."""
    tor = lab.tor()
    daemon = lab.daemon(tor=tor)
    tor.pause()
    threads = [
        threading.Thread(target=daemon.client("readsocket").ask, args=(onion(1),))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: daemon.counter("lookups") == 10, "the questions")
    tor.resume()
    for thread in threads:
        thread.join()
    assert daemon.counter("tor_queries") == 1


def test_virtual_addresses_are_not_remembered(lab):
    tor = lab.tor()
    daemon = lab.daemon(tor=tor)
    for i in range(3):
        assert daemon.ask("readsocket", onion(1)).outcome == ROUTE
    assert daemon.counter("tor_queries") == 3


@pytest.mark.parametrize(
    "behaviour", [does.one("x"), does.nxdomain()], ids=["route", "absence"]
)
def test_late_answer_fills_the_cache(lab, dns, behaviour):
    dns.on("x.example", does.delay(0.8, behaviour))
    daemon = lab.daemon(lab.listeners(deadline_ms=300), dns=dns)
    answer = daemon.ask("tcp_table", "x.example")
    assert answer == (TEMP, "no answer before the deadline")
    assert daemon.counter("deadlines") == 1
    time.sleep(1)  # nobody waits for the answer when it comes
    wait_until(
        lambda: daemon.ask("tcp_table", "x.example").outcome != TEMP, "the late answer"
    )
    assert dns.count("x.example") == 1


def test_deadline_of_each_listener(lab, dns):
    """A slow question holds up neither the others nor a listener with more time."""
    dns.on("slow.example", does.delay(1.5, does.one("slow")))
    listeners = lab.listeners()
    listeners["tcp_table"]["deadline_ms"] = 200
    daemon = lab.daemon(listeners, dns=dns)
    slow = daemon.client("socketmap")
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(slow.ask("slow.example")))
    thread.start()
    began = time.monotonic()
    assert daemon.ask("tcp_table", "slow.example").outcome == TEMP
    assert daemon.ask("tcp_table", "x.example").outcome == ROUTE
    assert time.monotonic() - began < 1.5
    thread.join()
    assert outcome[0].hosts() == [onion("slow")]
