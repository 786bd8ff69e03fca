"""DNS or tor dies, hangs and comes back while mail servers ask all the time."""

import time

import pytest

from harness import behaviours as does
from harness import dnsmsg
from harness.clients import NONE, ROUTE, TEMP, connect
from harness.load import Load
from harness.onion import onion
from harness.proc import wait_until
from harness.unbound import srv

DOMAINS = [f"d{i}.example" for i in range(40)]

OLD, NEW = "10.64.0.0/16", "10.128.0.0/16"


def targets(i):
    return (10, 0, 25, onion(f"{i} a")), (20, 0, 2525, onion(f"{i} b"))


ZONE = "".join(srv(f"d{i}", *targets(i)) for i in range(len(DOMAINS)))


def outcomes(records):
    assert all(r.error is None for r in records), [r for r in records if r.error][:3]
    return {r.answer.outcome for r in records}


def test_dns_dies_under_load(lab):
    """Short lifetimes, so that much is asked anew."""
    unbound = lab.unbound(ZONE, ttl=1)
    daemon = lab.daemon(
        dns=unbound, min_ttl=0, max_stale=0, dns_timeout_ms=100, dns_tries=2
    )
    with Load(daemon, ["tcp_table", "socketmap"], DOMAINS) as load:
        load.progress(200)
        unbound.kill()
        wait_until(
            lambda: any(r.answer.outcome == TEMP for r in load.records), "the outage"
        )
        load.progress(100)
        unbound.start()
        back = time.monotonic()
        wait_until(lambda: last(load).outcome == ROUTE, "routes after the outage")
        load.progress(100)
    # Every one of these domains has a record.
    assert outcomes(load.records) == {ROUTE, TEMP}
    for record in load.since(back):
        if record.answer.outcome == ROUTE:
            i = DOMAINS.index(record.key)
            assert record.answer.hosts() == [onion(f"{i} a"), onion(f"{i} b")]


def only_routes(load, seconds):
    late = load.since(time.monotonic() - seconds)
    return len(late) > 60 and all(r.answer.outcome == ROUTE for r in late)


def last(load):
    return load.records[-1].answer


def test_dns_hangs_under_load(lab):
    unbound = lab.unbound(ZONE, ttl=1)
    daemon = lab.daemon(
        dns=unbound, min_ttl=0, max_stale=0, dns_timeout_ms=100, dns_tries=2
    )
    with Load(daemon, ["tcp_table", "socketmap"], DOMAINS) as load:
        load.progress(200)
        unbound.pause()
        wait_until(lambda: last(load).outcome == TEMP, "the outage")
        unbound.resume()
        wait_until(lambda: last(load).outcome == ROUTE, "routes after the outage")
        load.progress(100)
    assert outcomes(load.records) == {ROUTE, TEMP}


def test_cache_outlives_dns(lab):
    unbound = lab.unbound(ZONE)
    daemon = lab.daemon(dns=unbound)
    assert daemon.ask("tcp_table", DOMAINS[0]).outcome == ROUTE
    assert daemon.ask("tcp_table", "absent.example").outcome == NONE
    unbound.kill()
    assert daemon.ask("tcp_table", DOMAINS[0]).outcome == ROUTE
    assert daemon.ask("tcp_table", "absent.example").outcome == NONE
    assert daemon.ask("tcp_table", DOMAINS[1]).outcome == TEMP
    assert daemon.ask("tcp_table", "absent2.example").outcome == TEMP


@pytest.mark.parametrize("how", ["kill", "pause"])
def test_without_tor(lab, how):
    """address: TEMP within the deadline. onion: as before."""
    unbound, tor = lab.unbound(ZONE), lab.tor()
    daemon = lab.daemon(lab.listeners(deadline_ms=800), dns=unbound, tor=tor)
    by_address = ("readsocket", "tcp_table_address", "socketmap_address")
    by_name = ("tcp_table", "socketmap")
    for listener in daemon.listeners:
        assert daemon.ask(listener, DOMAINS[0]).outcome == ROUTE
    getattr(tor, how)()
    began = time.monotonic()
    for listener in by_address:
        assert daemon.ask(listener, DOMAINS[0]).outcome == TEMP
        assert daemon.ask(listener, onion(1)).outcome == TEMP
    assert time.monotonic() - began < 6 * 0.8 + 5
    for listener in by_name:
        assert daemon.ask(listener, DOMAINS[0]).outcome == ROUTE
        assert daemon.ask(listener, onion(1)).outcome == ROUTE
    if how == "kill":
        tor.start()
    else:
        tor.resume()
    for listener in by_address:
        wait_until(
            lambda: daemon.ask(listener, DOMAINS[0]).outcome == ROUTE, "tor's return"
        )
    hosts = [tor.resolve(target[3]) for target in targets(0)]
    assert daemon.ask("readsocket", DOMAINS[0]).hosts() == hosts


def test_no_address_of_an_old_tor(lab):
    """Each tor has a range of its own, so an address tells who gave it."""
    unbound, tor = lab.unbound(ZONE), lab.tor(virtual=OLD)
    daemon = lab.daemon(dns=unbound, tor=tor)
    restarts = []
    with Load(daemon, ["readsocket", "socketmap_address"], DOMAINS, 0) as load:
        for virtual in (NEW, OLD) * 4:
            load.progress(50)
            tor.kill()
            restarts.append((time.monotonic(), virtual))
            tor.restart(virtual)
            # Of what is asked from here on, a route must come.
            load.progress(5)
            wait_until(lambda: last(load).outcome == ROUTE, "routes by the new tor")
        load.progress(50)
    assert outcomes(load.records) <= {ROUTE, TEMP}
    routed = [r for r in load.records if r.answer.outcome == ROUTE]
    for record in routed:
        networks = {host.split(".")[1] for host in record.answer.hosts()}
        assert len(networks) == 1, f"addresses of two tors in one answer: {record}"
    restarts.append((float("inf"), None))
    for (begin, virtual), (end, _) in zip(restarts, restarts[1:]):
        between = [r for r in routed if begin <= r.began and r.ended < end]
        assert between
        for record in between:
            assert {h.split(".")[1] for h in record.answer.hosts()} == {
                virtual.split(".")[1]
            }, record


def test_addresses_are_those_of_the_running_tor(lab):
    """The same range again, as in real life."""
    unbound, tor = lab.unbound(ZONE), lab.tor()
    daemon = lab.daemon(dns=unbound, tor=tor)
    for _ in range(3):
        for i, domain in enumerate(DOMAINS[:10]):
            hosts = [tor.resolve(target[3]) for target in targets(i)]
            for listener in ("readsocket", "tcp_table_address"):
                assert daemon.ask(listener, domain).hosts() == hosts
        tor.restart()


def address(number):
    """What tor says: an A record of its virtual network."""
    rdata = bytes([10, number, 0, 1])
    record = lambda q: dnsmsg.record(q.name, dnsmsg.A, 60, rdata)
    return lambda q: [(0, does.message(q, answer=[record(q)]))]


TWO = f"two.example {onion('a')}, {onion('b')}\n"


@pytest.mark.parametrize("listener", ["readsocket", "tcp_table_address"])
def test_tor_restarts_between_two_answers(lab, listener):
    """The first target's address is of a tor that has died when the second one's
    comes: it is asked for again."""
    old = lab.dns(prefix="")
    old.on(onion("a"), address(1))
    old.on(onion("b"), does.silence())
    daemon = lab.daemon(tor=old, map=TWO, tor_tries=6)
    with connect(daemon.address(listener)) as s:
        client = daemon.client(listener)
        s.sendall(client.request("two.example"))
        wait_until(lambda: old.count(onion("b")) > 0, "the questions")
        old.stop()
        tor = lab.tor(dns_port=old.port)
        answer = client.read(s)
    if answer.outcome == ROUTE:
        assert answer.hosts() == [tor.resolve(onion(x)) for x in "ab"]
        assert daemon.counter("tor_requeried") > 0
    wait_until(lambda: daemon.ask(listener, "two.example").outcome == ROUTE, "a route")


def test_tor_restarts_unseen_between_two_answers(lab):
    """The same port answers throughout; all that shows is a question left unanswered."""
    tor = lab.dns(prefix="")
    tor.on(onion("a"), address(1))

    def restart(q):
        tor.on(onion("a"), address(2))
        tor.on(onion("b"), address(2))
        return []

    tor.on(onion("b"), restart)
    daemon = lab.daemon(tor=tor, map=TWO)
    assert daemon.ask("readsocket", "two.example").hosts() == ["10.2.0.1"] * 2
    assert daemon.counter("tor_requeried") == 1


def test_both_die_and_come_back(lab):
    unbound, tor = lab.unbound(ZONE, ttl=1), lab.tor()
    daemon = lab.daemon(
        dns=unbound, tor=tor, min_ttl=0, max_stale=0, dns_timeout_ms=100, dns_tries=2
    )
    with Load(daemon, ["readsocket", "tcp_table", "socketmap_address"], DOMAINS) as load:
        load.progress(100)
        unbound.kill()
        tor.kill()
        wait_until(lambda: last(load).outcome == TEMP, "the outage")
        load.progress(50)
        tor.start()
        unbound.start()
        # The first probe that is answered ends it for all. What is in the cache from
        # before is there for a second.
        wait_until(lambda: only_routes(load, seconds=2), "routes after the outage")
        back = time.monotonic()
        load.progress(100)
    assert outcomes(load.records) == {ROUTE, TEMP}
    assert outcomes(load.since(back)) == {ROUTE}


def test_lost_datagrams_to_tor(lab):
    """Tor sleeps for a moment: the question is repeated."""
    tor = lab.tor()
    daemon = lab.daemon(tor=tor)
    tor.pause()
    with Load(daemon, ["readsocket"], [onion(1)]) as load:
        wait_until(lambda: daemon.counter("lookups") >= 1, "the question")
        time.sleep(0.4)
        tor.resume()
        load.progress(1)
    assert outcomes(load.records) == {ROUTE}


def test_many_onions_at_once(lab):
    """More questions to tor than its receive buffer holds."""
    tor = lab.tor()
    seeds = [f"many {i}" for i in range(600)]
    daemon = lab.daemon(tor=tor, tor_tries=6)
    client = daemon.client("tcp_table_address")
    client.ask(onion("first"))
    client.socket.sendall(b"".join(client.request(onion(seed)) for seed in seeds))
    answers = [client.next_answer(client.file) for _ in seeds]
    assert {a.outcome for a in answers} == {ROUTE}
    assert [a.hosts()[0] for a in answers] == [tor.resolve(onion(s)) for s in seeds]
    client.close()
