"""How questions travel to the resolvers: late answers, source ports, TCP."""

import contextlib

import pytest

from harness import behaviours as does
from harness.clients import NONE, ROUTE, TEMP, TcpTable, connect
from harness.crowd import ask_all
from harness.onion import onion
from harness.proc import LOOPBACK, SLACK, free_port, wait_until
from harness.unbound import srv


@pytest.fixture
def dns(lab):
    return lab.dns()


def ask(daemon, domain="x.example"):
    return daemon.ask("tcp_table", "user@" + domain)


@contextlib.contextmanager
def ahead(daemon, domains):
    """Asks for all of them at once, on one connection. Gives what reads the answers."""
    with connect(daemon.address("tcp_table"), 60 * SLACK) as s, s.makefile("rb") as file:
        s.sendall(b"".join(TcpTable.request("user@" + domain) for domain in domains))
        yield lambda: [TcpTable.next_answer(file) for _ in domains]


def only(listener="tcp_table", address=None, **options):
    address = address or f"{LOOPBACK}:{free_port()}"
    return {listener: {"protocol": listener, "address": address, **options}}


@pytest.mark.parametrize("seconds", [0.4, 0.9, 1.5])
def test_a_late_answer_after_fast_ones(lab, dns, seconds):
    """c-ares since 1.32 makes its own timeouts, from how fast a server was before."""
    dns.below("", does.nxdomain())
    dns.on("slow.example", does.delay(seconds, does.one("slow")))
    daemon = lab.daemon(dns=dns, dns_timeout_ms=2000)
    for i in range(20):
        assert ask(daemon, f"fast{i}.example").outcome == NONE
    assert ask(daemon, "slow.example").hosts() == [onion("slow")]
    assert dns.count("slow.example") == 1


def test_two_targets_and_no_tor(lab, dns):
    """c-ares since 1.31 ends all questions of a socket that is refused, from inside the
    call that asks the next."""
    dns.below("", does.srv((1, 0, 25, onion("a")), (2, 0, 25, onion("b"))))
    daemon = lab.daemon(dns=dns)
    for i in range(50):
        answer = daemon.ask("readsocket", f"d{i}.example")
        assert (answer.outcome, answer.value) == (TEMP, "tor is down or failing")


def test_the_same_question_again(lab, dns):
    """c-ares since 1.31 has a cache of its own, which would answer from inside a call."""
    dns.on("x.example", does.one("good"))
    tor = lab.tor()
    daemon = lab.daemon(dns=dns, tor=tor)
    first = daemon.ask("readsocket", "x.example")
    for _ in range(20):
        assert daemon.ask("readsocket", "x.example") == first
    assert first.outcome == ROUTE and daemon.counter("tor_queries") == 21


def test_each_question_has_a_port_of_its_own(lab):
    dns = lab.dns()
    dns.below("", does.delay(0.3, does.nxdomain()))
    daemon = lab.daemon(only(deadline_ms=8000), dns=dns)
    keys = [f"user@d{i}.example" for i in range(60)]
    ask_all(daemon, keys, daemon.listeners, alone=60, pipelined=0, window=1)
    ports = [seen.port for seen in dns.seen]
    assert len(ports) == len(set(ports)) == 60


def test_one_after_the_other_too(lab, dns):
    """The kernel may give a port again, but seldom."""
    dns.below("", does.nxdomain())
    daemon = lab.daemon(dns=dns)
    for i in range(60):
        assert ask(daemon, f"d{i}.example").outcome == NONE
    assert len({seen.port for seen in dns.seen}) > 50


def test_many_at_once_share(lab):
    """More than 256 questions under way: 64 of them have one port."""
    dns = lab.dns()
    dns.below("", does.silence())
    daemon = lab.daemon(only(deadline_ms=1000), dns=dns, dns_timeout_ms=60000)
    keys = [f"user@d{i}.example" for i in range(1000)]
    ask_all(daemon, keys, daemon.listeners, alone=0, pipelined=1, window=1000)
    wait_until(lambda: len(dns.seen) >= 1000, "all to be asked")
    ports = {seen.port for seen in dns.seen}
    assert 256 + 11 <= len(ports) <= 256 + 13
    assert daemon.open_files() < 256 + 13 + 60


def test_options_of_the_environment(lab, dns):
    dns.on("x.example", does.one("good"))
    prefix = ["env", "RES_OPTIONS=use-vc edns0 rotate", "LOCALDOMAIN=evil.example"]
    daemon = lab.daemon(dns=dns, prefix=prefix)
    assert ask(daemon).hosts() == [onion("good")]
    assert [seen.tcp for seen in dns.seen] == [False]


# TCP


def long_answer(i):
    return does.truncated(does.many(40, [f"{i} {n}" for n in range(4)], 1001))


def ports(answer):
    return [port for _, port in answer.targets()]


def test_forty_records(lab, dns):
    dns.on("x.example", long_answer(0))
    daemon = lab.daemon(dns=dns)
    assert ports(ask(daemon)) == list(range(1040, 1024, -1))
    assert daemon.counter("dns_tcp_queries") == 1


def test_one_dead_connection(lab, dns):
    """It harms its own question only."""
    for i in range(20):
        by_tcp = does.many(20, [f"{i}"], 1001)
        dead = [does.silence()] if i == 0 else []
        dns.on(f"d{i}.example", does.truncated(does.in_turn(*dead, by_tcp)))
    daemon = lab.daemon(only(deadline_ms=4000), dns=dns)
    keys = [f"user@d{i}.example" for i in range(20)]
    results = ask_all(daemon, keys, daemon.listeners, alone=20, pipelined=0, window=1)
    assert {r.answer.outcome for r in results} == {ROUTE}
    late = [r.key for r in results if r.seconds > 1.9]
    assert late == ["user@d0.example"]


def test_a_server_that_closes(lab, dns):
    """While others wait for their answers by UDP."""
    for i in range(20):
        dns.on(f"d{i}.example", does.delay(0.5, does.one(i)))
    dns.on("closed.example", does.truncated(does.close()))
    daemon = lab.daemon(only(deadline_ms=8000), dns=dns)
    keys = [f"user@d{i}.example" for i in range(20)] + ["user@closed.example"] * 5
    results = ask_all(daemon, keys, daemon.listeners, alone=25, pipelined=0, window=1)
    for r in results:
        if "closed" in r.key:
            assert r.answer.outcome == TEMP and "TCP" in r.answer.value
        else:
            assert r.answer.outcome == ROUTE


@pytest.mark.timeout(120 * SLACK)
def test_tcp_that_hangs_beside_a_thousand(lab, dns):
    dns.below("", does.one("udp"))
    for i in range(30):
        dns.on(f"tcp{i}.example", does.truncated(does.silence()))
    daemon = lab.daemon(only(deadline_ms=8000), dns=dns)
    with ahead(daemon, [f"tcp{i}.example" for i in range(30)]) as answers:
        wait_until(lambda: daemon.counted("dns_tcp_queries") == 30, "TCP to be tried")
        keys = [f"user@d{i}.example" for i in range(1000)]
        results = ask_all(
            daemon, keys, daemon.listeners, alone=16, pipelined=1, window=64
        )
        assert all(r.answer.outcome == ROUTE for r in results)
        for answer in answers():
            assert answer.outcome == TEMP and "TCP" in answer.value
    counters = daemon.counters()
    assert counters["dns_down"] == counters["dns_down_answers"] == 0
    wait_until(lambda: daemon.open_files() < 40, "the connections to be given up")


@pytest.mark.parametrize(
    "behaviour",
    [does.always_truncated(), does.garbage(), does.truncated(does.close())],
    ids=["truncated", "garbage", "closes"],
)
@pytest.mark.parametrize("tcp", [True, False], ids=["TCP", "no TCP"])
def test_useless_answers_are_signs_of_life(lab, tcp, behaviour):
    dns = lab.dns(tcp=tcp)
    dns.on("good.example", does.one("good"))
    for i in range(12):
        dns.on(f"d{i}.example", behaviour)
    daemon = lab.daemon(dns=dns, dns_timeout_ms=500, dns_tries=1)
    for i in range(12):
        assert ask(daemon, f"d{i}.example").outcome == TEMP
    assert ask(daemon, "good.example").outcome == ROUTE
    assert daemon.counter("dns_down") == 0
    assert "is down" not in daemon.output()


def test_a_dead_zone_delays_nobody_else(lab, dns):
    """Six names that time out; the root is answered all the time."""
    dns.below("", does.silence())
    dns.root = does.nodata()
    dns.on("good.example", does.one("good"))
    daemon = lab.daemon(only(deadline_ms=300), dns=dns, dns_timeout_ms=200, dns_tries=1)
    keys = [f"user@d{i}.example" for i in range(40)]
    ask_all(daemon, keys, daemon.listeners, alone=4, pipelined=0, window=1)
    assert ask(daemon, "good.example").outcome == ROUTE
    counters = daemon.counters()
    assert counters["dns_down"] == counters["dns_down_answers"] == 0
    assert dns.root_seen >= 2


def test_no_descriptors(lab, dns):
    """That is about this machine and not about the resolver."""
    dns.below("", does.silence())
    listeners = only(deadline_ms=1000, max_clients=10)
    daemon = lab.daemon(listeners, dns=dns, nofile=60, dns_timeout_ms=20000)
    with ahead(daemon, [f"d{i}.example" for i in range(100)]) as answers:
        said = answers()
    assert {a.outcome for a in said} == {TEMP}
    assert "out of file descriptors" in {a.value for a in said}
    assert daemon.counter("dns_down") == 0


def test_an_unbound_that_closes_idle_connections(lab):
    """All names need TCP, of which unbound ends the connections at once when they idle."""
    seeds = [f"s{i}" for i in range(8)]
    records = "".join(
        srv(f"d{n}", *[(1, 0, 1000 + i, onion(s)) for i, s in enumerate(seeds)])
        for n in range(40)
    )
    unbound = lab.unbound(records, server="    tcp-idle-timeout: 1\n")
    daemon = lab.daemon(only(deadline_ms=8000), dns=unbound)
    keys = [f"user@d{n}.example" for n in range(40)]
    results = ask_all(daemon, keys, daemon.listeners, alone=8, pipelined=0, window=1)
    assert all(len(r.answer.targets()) == 8 for r in results)
    assert daemon.counter("dns_tcp_queries") == 40
