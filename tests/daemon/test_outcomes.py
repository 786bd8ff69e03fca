"""Every outcome, by every protocol, in both answer styles."""

import socket

import pytest

from harness import behaviours as dns_does
from harness import dnsmsg
from harness.clients import FAIL, NONE, PERM, ROUTE, TEMP, connect
from harness.onion import mistyped, onion
from harness.unbound import DEAD_ZONE, srv

LISTENERS = (
    "readsocket",
    "tcp_table",
    "socketmap",
    "tcp_table_address",
    "socketmap_address",
)

every_listener = pytest.mark.parametrize("listener", LISTENERS)


def expected(lab, daemon, listener, *targets):
    """The value for (onion, port)...: what the daemon must say by this listener."""
    if daemon.listeners[listener]["answer"] == "address":
        targets = [(lab.tor_.resolve(host), port) for host, port in targets]
    if listener == "readsocket":
        return ":".join(
            host + (f"::{port}" if port != 25 else "") for host, port in targets
        )
    return "smtptor:" + ", ".join(f"[{host}]:{port}" for host, port in targets)


@pytest.fixture
def real(lab):
    """Real tor, real unbound, a map."""
    lab.tor_ = lab.tor()
    unbound = lab.unbound(
        srv("two", (10, 5, 25, onion("first")), (20, 5, 2525, onion("second")))
        + srv("bad", (0, 0, 25, "mail.example.net"))
        + srv("dot", (0, 0, 0, ""))
        + "nodata A 127.0.0.1\n_onion-mx._tcp.nodata A 127.0.0.1\n"
    )
    text = (
        f"mapped.example {onion('mapped')}\n"
        f"ports.example {onion('p1')}:2525, {onion('p2')}\n"
        f".wild.example {onion('wild')}\n"
        "ignored.example -\n"
    )
    return lab.daemon(dns=unbound, tor=lab.tor_, map=text)


@every_listener
def test_route_from_the_map(lab, real, listener):
    answer = real.ask(listener, "mapped.example")
    value = expected(lab, real, listener, (onion("mapped"), 25))
    assert answer == (ROUTE, value)
    answer = real.ask(listener, "Somebody+Else@Ports.Example.")
    value = expected(lab, real, listener, (onion("p1"), 2525), (onion("p2"), 25))
    assert answer == (ROUTE, value)


@every_listener
def test_route_from_srv(lab, real, listener):
    value = expected(lab, real, listener, (onion("first"), 25), (onion("second"), 2525))
    assert real.ask(listener, "user@two.example") == (ROUTE, value)


@every_listener
def test_route_of_an_onion_recipient(lab, real, listener):
    name = onion("recipient")
    value = expected(lab, real, listener, (name, 25))
    assert real.ask(listener, "user@" + name) == (ROUTE, value)
    assert real.ask(listener, "user@" + name.upper()) == (ROUTE, value)
    below = "mail." + name
    same = real.listeners[listener]["answer"] == "address"  # for all names of a service
    value = expected(lab, real, listener, (name if same else below, 25))
    assert real.ask(listener, "user@" + below) == (ROUTE, value)


@every_listener
def test_none(real, listener):
    for domain in ("absent", "nodata", "ignored", "bad", "dot"):
        assert real.ask(listener, f"user@{domain}.example").outcome == NONE, domain


@every_listener
@pytest.mark.parametrize(
    "key",
    [
        "*",
        "user@[127.0.0.1]",
        "user@[IPv6:::1]",
        "[127.0.0.1]",
        "127.0.0.1",
        "user@",
        "@",
        "a..example",
        "-a.example",
        "under_score.example",
        "with space.example",
        "x" * 64 + ".example",
        "x." * 127 + "example",
        b"user@\xff\xfe.example",
        b"user@mapped.example\0.org",
    ],
)
def test_none_for_what_is_no_domain(real, listener, key):
    assert real.ask(listener, key).outcome == NONE


@every_listener
def test_none_for_an_empty_key(real, listener):
    assert real.ask(listener, "").outcome == NONE


@every_listener
def test_temp_when_dns_fails(real, listener):
    assert real.ask(listener, f"user@{DEAD_ZONE}").outcome == TEMP
    assert real.ask(listener, f"user@sub.{DEAD_ZONE}").outcome == TEMP
    # unbound refuses what isn't its own
    assert real.ask(listener, "user@example.org").outcome == TEMP


@every_listener
@pytest.mark.parametrize(
    "name", [mistyped("x"), "abcdefghij234567.onion", "foo.onion", "onion"]
)
def test_fail_for_an_invalid_onion(real, listener, name):
    answer = real.ask(listener, "user@" + name)
    assert answer == (FAIL, "invalid onion name")
    assert real.ask(listener, "user@mail." + name).outcome == FAIL


BELOW_ONION = [
    "-a." + onion("x"),
    onion("x") + "..",
    onion("x") + ":25",
    f"[{onion('x')}]",
    ".onion",
    "a b.onion",
    "x" * 64 + ".onion",
    "-x。onion",
]


@every_listener
@pytest.mark.parametrize("name", BELOW_ONION)
def test_nothing_below_onion_is_none(real, listener, name):
    """Postfix would look it up in DNS and deliver by clearnet."""
    assert real.ask(listener, "user@" + name) == (FAIL, "invalid onion name")


@every_listener
@pytest.mark.parametrize("name", ["_x." + onion("x"), "x_y." + onion("x")])
def test_underscores_below_an_onion(real, listener, name):
    """DNSPort of tor 0.4.9.15 has no address for them, that of 0.4.9.11 has."""
    answer = real.ask(listener, "user@" + name)
    by_address = real.listeners[listener]["answer"] == "address"
    assert answer.outcome == ROUTE or by_address and answer.outcome == TEMP


def exchange(daemon, listener, request):
    """The bytes of a reply; short enough to come in one piece."""
    with connect(daemon.address(listener)) as s:
        s.sendall(request)
        return s.recv(4096)


def test_bytes_of_the_replies(lab, real):
    two = f"[{onion('first')}]:25,%20[{onion('second')}]:2525"
    a, b = (lab.tor_.resolve(onion(x)) for x in ("first", "second"))

    def netstring(text):
        return b"%d:%s," % (len(text), text.encode())

    def ask(listener, domain):
        client = real.client(listener)
        return exchange(real, listener, client.request(domain))

    bad = mistyped("x")
    table = [
        ("readsocket", "two.example", f"OK {a}:{b}::2525\n".encode()),
        ("readsocket", "absent.example", b"NO\n"),
        ("readsocket", DEAD_ZONE, b"TEMP DNS failed\n"),
        ("readsocket", bad, b"FAIL invalid onion name\n"),
        ("tcp_table", "two.example", f"200 smtptor:{two}\n".encode()),
        ("tcp_table", "absent.example", b"500 not%20found\n"),
        ("tcp_table", DEAD_ZONE, b"400 DNS%20failed\n"),
        ("tcp_table", bad, b"200 error:5.4.4%20invalid%20onion%20name\n"),
        ("socketmap", "two.example", netstring("OK smtptor:" + two.replace("%20", " "))),
        ("socketmap", "absent.example", netstring("NOTFOUND ")),
        ("socketmap", DEAD_ZONE, netstring("TEMP DNS failed")),
        ("socketmap", bad, netstring("OK error:5.4.4 invalid onion name")),
    ]
    for listener, domain, reply in table:
        assert ask(listener, domain) == reply, (listener, domain)


def test_other_transport(lab):
    listeners = lab.listeners(transport="onion_smtp")
    daemon = lab.daemon(listeners, map=f"a.example {onion(1)}")
    value = f"onion_smtp:[{onion(1)}]:25"
    assert daemon.ask("tcp_table", "a.example") == (ROUTE, value)
    assert daemon.ask("socketmap", "a.example") == (ROUTE, value)


def test_unknown_requests(real):
    client = real.client("socketmap")
    with connect(real.address("socketmap")) as s:
        s.sendall(client.request("mapped.example", "transport"))
        assert client.read(s) == (PERM, "unknown map")
        s.sendall(client.request("mapped.example"))
        assert client.read(s).outcome == ROUTE
    with connect(real.address("tcp_table")) as s:
        s.sendall(b"put a b\nget mapped.example\n")
        lines = s.makefile("rb")
        assert lines.readline() == b"400 unknown%20request\n"
        assert lines.readline().startswith(b"200 ")
    assert real.counter("requests_unknown") == 2


def test_clearnet_on_failure(lab):
    dns = lab.dns()
    dns.on("fails.example", dns_does.servfail())
    dns.on("two.example", dns_does.one("two"))
    daemon = lab.daemon(dns=dns, on_failure="clearnet", tor_tries=1)
    for listener in LISTENERS:
        assert daemon.ask(listener, "fails.example").outcome == NONE
        assert daemon.ask(listener, mistyped("x")).outcome == FAIL
    # tor doesn't run
    assert daemon.ask("readsocket", "two.example").outcome == NONE
    assert daemon.ask("tcp_table", "two.example").outcome == ROUTE
    assert daemon.counter("failures_as_none") == len(LISTENERS) + 1


def test_order_of_srv_targets(lab):
    dns = lab.dns()
    dns.on(
        "weights.example",
        dns_does.srv(
            (5, 0, 25, onion("last")),
            (1, 90, 25, onion("heavy")),
            (1, 10, 25, onion("light")),
        ),
    )
    daemon = lab.daemon(dns=dns)
    answers = [daemon.ask("tcp_table", "weights.example").hosts() for _ in range(400)]
    assert all(hosts[2] == onion("last") for hosts in answers)
    heavy_first = sum(hosts[0] == onion("heavy") for hosts in answers)
    # 360 on average, with a standard deviation of 6: fresh for each answer, from one query
    assert 320 < heavy_first < 395
    assert dns.count("weights.example") == 1


IN_RANGE = ["127.192.0.0", "127.255.255.255", "10.192.0.0", "10.255.255.255"]
NOT_IN_RANGE = ["93.184.216.34", "127.0.0.1", "10.191.255.255", "11.0.0.0", "128.0.0.0"]


@pytest.mark.parametrize("address", IN_RANGE + NOT_IN_RANGE)
def test_only_addresses_of_tor_are_passed_on(lab, address):
    """Something else than tor may answer on DNSPort. The ranges are the default."""
    liar = lab.dns(prefix="")
    record = dnsmsg.record(onion(1), dnsmsg.A, 60, socket.inet_aton(address))
    liar.on(onion(1), lambda q: [(0, dns_does.message(q, answer=[record]))])
    daemon = lab.make_daemon(tor=liar)
    del daemon.settings["tor_addresses"]
    daemon.write_config()
    daemon.start()
    answer = daemon.ask("readsocket", onion(1))
    if address in IN_RANGE:
        assert answer == (ROUTE, address)
        return
    assert answer == (TEMP, "tor gave an address outside of tor_addresses")
    assert liar.count(onion(1)) == daemon.counter("tor_failures") == 1
    explained = daemon.onionmap("explain", onion(1))
    assert f"tor: {address} for {onion(1)} isn't in tor_addresses" in explained
