"""What TLS there must be at an address of the bridge: the map "tls", and "tls ADDRESS"."""

import pytest

from harness import behaviours as does
from harness.bridged import NET, bridged, change_map, where
from harness.clients import connect, read_all
from harness.onion import onion

A, B, C = onion("a"), onion("b"), onion("c")

# What the map's entry says, what the socketmap answers, and what readsocket.
LEVELS = {
    "": ("OK may", "OK may"),
    "tls=none": ("OK none", "OK none"),
    "tls=may": ("OK may", "OK may"),
    "tls=encrypt": ("OK encrypt", "OK encrypt"),
    "tls=secure:mx.example.org": (
        "OK secure match=mx.example.org servername=mx.example.org",
        "OK secure:mx.example.org",
    ),
    "tls=secure:MX.Example.ORG": (
        "OK secure match=mx.example.org servername=mx.example.org",
        "OK secure:mx.example.org",
    ),
    "dnssec=require tls=encrypt on_failure=defer": ("OK encrypt", "OK encrypt"),
}

LONGEST = ".".join(["a" * 63] * 3 + ["b" * 61])

ABSENT = "NOTFOUND ", "NO"


@pytest.fixture
def socks(lab):
    return lab.socks()


def socketmap(daemon, key, listener="socketmap"):
    """The payload of the answer."""
    payload = b"tls " + key.encode()
    with connect(daemon.address(listener)) as s, s.makefile("rb") as file:
        s.sendall(b"%d:%s," % (len(payload), payload))
        length = b""
        while not length.endswith(b":"):
            length += file.read(1)
        answer = file.read(int(length[:-1]))
        assert file.read(1) == b","
        return answer.decode()


def readsocket(daemon, key):
    with connect(daemon.address("readsocket")) as s:
        s.sendall(b"tls " + key.encode() + b"\n")
        answer = read_all(s).decode()
    assert answer.endswith("\n")
    return answer[:-1]


def both(daemon, key):
    return socketmap(daemon, key), readsocket(daemon, key)


def nexthop(place):
    """As Postfix writes it."""
    host, port = place
    return f"[{host}]:{port}"


@pytest.mark.parametrize("options", LEVELS)
def test_levels(lab, socks, options):
    """By the nexthop, or by the address alone."""
    daemon = bridged(lab, socks, map=f"x.example {A} {options}\n")
    place = where(daemon, "x.example")
    for key in (nexthop(place), place[0]):
        assert both(daemon, key) == LEVELS[options]


def test_the_longest_name(lab, socks):
    daemon = bridged(lab, socks, map=f"x.example {A} tls=secure:{LONGEST}\n")
    assert both(daemon, nexthop(where(daemon, "x.example"))) == (
        f"OK secure match={LONGEST} servername={LONGEST}",
        f"OK secure:{LONGEST}",
    )


def test_one_onion_several_policies(lab, socks):
    """An address for each: the one of a stricter domain isn't that of another."""
    text = "".join(f"d{i}.example {A} {options}\n" for i, options in enumerate(LEVELS))
    daemon = bridged(lab, socks, map=text)
    places = [where(daemon, f"d{i}.example") for i in range(len(LEVELS))]
    for place, answers in zip(places, LEVELS.values()):
        assert both(daemon, nexthop(place)) == answers
    # Of these two mean the same.
    assert places[4] == places[5] and places[3] == places[6]
    assert len(set(places)) == len(LEVELS) - 2


def test_an_onion_as_domain_says_nothing(lab, socks):
    daemon = bridged(lab, socks, map=f"x.example {A} tls=encrypt\n")
    assert where(daemon, A) != where(daemon, "x.example")
    assert both(daemon, nexthop(where(daemon, A))) == ("OK may", "OK may")


def test_srv_records(lab, socks):
    """An option of an entry that only says srv, or of one for all below."""
    dns = lab.dns()
    for domain in ("x.example", "a.below.example"):
        dns.on(domain, does.one("a"))
    text = "x.example srv tls=encrypt\n.below.example srv tls=none\n"
    daemon = bridged(lab, socks, dns=dns, map=text)
    for domain, level in (("x.example", "encrypt"), ("a.below.example", "none")):
        assert socketmap(daemon, nexthop(where(daemon, domain))) == f"OK {level}"


# What isn't one of its addresses

OTHERS = [
    "",
    " ",
    "*",
    "x.example",
    "[x.example]:25",
    A,
    f"[{A}]:25",
    "127.0.0.1",
    "[127.0.0.1]:{port}",
    "[192.0.2.1]:{port}",
    "[{free}]:{port}",
    "{free}",
    "[{ip}]",
    "[{ip}]:25",
    "[{ip}]:{port}0",
    "[{ip}]:0",
    "[{ip}]:+{port}",
    "[{ip}]: {port}",
    "[{ip}]:0{port}",
    "[{ip}]:-1",
    "[{ip}]:",
    "[{ip}]:smtp",
    "[{ip}]:{port}x",
    "[{ip}]:{port} ",
    " [{ip}]:{port}",
    "[{ip}:{port}",
    "{ip}:{port}",
    "{ip}.",
    "{ip}x",
    "x{ip}",
    "[ipv6:{ip}]:{port}",
    "[::ffff:{ip}]:{port}",
    "[" * 20 + "{ip}]:{port}",
    "{ip}" * 200,
    "{number}",
    "[{ip}]:{port}, [{ip}]:{port}",
]


@pytest.mark.parametrize("key", OTHERS)
def test_other_keys(lab, socks, key):
    daemon = bridged(lab, socks, map=f"x.example {A} tls=none\n")
    ip, port = where(daemon, "x.example")
    number = int.from_bytes(map(int, ip.split(".")), "big")
    free = next(f for i in (1, 2) if (f := NET.replace(".0.0/16", f".0.{i}")) != ip)
    key = key.format(ip=ip, port=port, free=free, number=number)
    assert both(daemon, key) == ABSENT
    assert both(daemon, nexthop((ip, port))) == ("OK none", "OK none")


def test_a_nul(lab, socks):
    daemon = bridged(lab, socks)
    key = nexthop(where(daemon, A))
    assert socketmap(daemon, key + "\0") == "NOTFOUND "
    assert socketmap(daemon, key.replace("]", "\0]")) == "NOTFOUND "


def test_asking_gives_out_nothing(lab, socks):
    daemon = bridged(lab, socks, map=f"x.example {A} tls=none\n")
    lookups = daemon.counter("lookups")
    assert both(daemon, "x.example") == ABSENT
    counters = daemon.counters()
    assert counters["bridge_addresses"] == 0 and counters["lookups"] == lookups


def test_without_a_bridge(lab):
    daemon = lab.daemon(map=f"x.example {A} tls=none\n")
    assert both(daemon, "[127.42.3.4]:2525") == ABSENT


def test_by_any_listener(lab, socks):
    """A listener that answers otherwise knows the addresses, too."""
    daemon = bridged(lab, socks, map=f"x.example {A} tls=none\n")
    key = nexthop(where(daemon, "x.example"))
    daemon.hang_up()
    daemon.terminate()
    address = f"unix:{lab.dir}/onion.sock"
    daemon.listeners["onion"] = {"protocol": "socketmap", "address": address}
    daemon.write_config()
    daemon.start()
    assert socketmap(daemon, key, "onion") == "OK none"


# In time


def test_the_map_changes(lab, socks):
    """Another policy has another address, since a mail server may still have the old
    one; there it stays as it was."""
    daemon = bridged(lab, socks, map=f"x.example {A} tls=none\n")
    old = where(daemon, "x.example")
    change_map(lab, daemon, f"x.example {A} tls=secure:mx.example\n")
    assert both(daemon, nexthop(old)) == ("OK none", "OK none")
    new = where(daemon, "x.example")
    assert new != old
    assert readsocket(daemon, nexthop(new)) == "OK secure:mx.example"
    change_map(lab, daemon, f"x.example {A} tls=secure:mx.example\ny.example {B}\n")
    assert where(daemon, "x.example") == new
    change_map(lab, daemon, f"x.example {A} tls=none\n")
    assert where(daemon, "x.example") == old


def test_a_restart(lab, socks):
    """It is known before anybody has asked for the domain."""
    text = "".join(f"d{i}.example {A} {options}\n" for i, options in enumerate(LEVELS))
    daemon = bridged(lab, socks, map=text)
    places = [where(daemon, f"d{i}.example") for i in range(len(LEVELS))]
    daemon.hang_up()
    daemon.terminate()
    daemon.start()
    for place, answers in zip(places, LEVELS.values()):
        assert both(daemon, nexthop(place)) == answers


def test_between_lookups(lab, socks):
    """The answers come in the order of the questions."""
    dns = lab.dns()
    dns.on("slow.example", does.delay(0.3, does.one("b")))
    daemon = bridged(lab, socks, dns=dns, map=f"x.example {A} tls=none\ny.example srv\n")
    key = nexthop(where(daemon, "x.example")).encode()
    client = daemon.client("socketmap")
    ask = client.request("slow.example")
    with connect(daemon.address("socketmap")) as s, s.makefile("rb") as file:
        s.sendall(ask + b"%d:tls %s," % (4 + len(key), key))
        assert client.next_answer(file).outcome == "ROUTE"
        assert file.read(10) == b"7:OK none,"


def test_tcp_table_has_no_such_question(lab, socks):
    daemon = bridged(lab, socks, map=f"x.example {A} tls=none\n")
    key = nexthop(where(daemon, "x.example"))
    with connect(daemon.address("tcp_table")) as s:
        s.sendall(b"tls " + key.encode() + b"\n")
        assert read_all(s) == b"400 malformed%20request\n"
