"""What the static map decides, and that nobody is asked about it."""

import pytest

from harness import behaviours as dns_does
from harness.clients import NONE, ROUTE
from harness.onion import mistyped, onion

MAP = f"""\
# a comment
pinned.example {onion("pinned")}    # another one
.example.org {onion("org")}
.b.example.org {onion("b.org")}
x.b.example.org {onion("x.b.org")}
ignored.b.example.org -
.ignored.example -
münchen.example {onion("munich")}
"""


@pytest.fixture
def dns(lab):
    """Would route everything elsewhere."""
    dns = lab.dns()
    for name in (
        "pinned.example",
        "a.example.org",
        "example.org",
        "ignored.b.example.org",
        "a.ignored.example",
        "xn--mnchen-3ya.example",
    ):
        dns.on(name, dns_does.one("dns"))
    return dns


@pytest.mark.parametrize(
    "domain, seed",
    [
        ("pinned.example", "pinned"),
        ("PINNED.Example", "pinned"),
        ("pinned.example.", "pinned"),
        ("user@pinned.example", "pinned"),
        ('"a@b c"@pinned.example', "pinned"),
        ('"pinned.example@"@pinned.example', "pinned"),
        ("a.example.org", "org"),
        ("a.b.c.example.org", "org"),
        ("a.b.example.org", "b.org"),
        ("c.a.b.example.org", "b.org"),
        ("x.b.example.org", "x.b.org"),
        ("y.x.b.example.org", "b.org"),
        ("b.example.org", "org"),
        ("jörg@münchen.example", "munich"),
        ("MÜNCHEN.example", "munich"),
        ("xn--mnchen-3ya.example", "munich"),
    ],
)
def test_longest_entry_wins(lab, dns, domain, seed):
    daemon = lab.daemon(dns=dns, map=MAP)
    for listener in ("tcp_table", "socketmap"):
        answer = daemon.ask(listener, domain)
        assert answer.outcome == ROUTE and answer.hosts() == [onion(seed)]
    assert dns.seen == []


def test_none_by_the_map(lab, dns):
    daemon = lab.daemon(dns=dns, map=MAP)
    for domain in ("ignored.b.example.org", "a.ignored.example", "b.a.ignored.example"):
        assert daemon.ask("tcp_table", domain).outcome == NONE
    assert dns.seen == []
    assert daemon.counter("map_hits") == 3


def test_below_a_parent_is_not_the_parent(lab, dns):
    daemon = lab.daemon(dns=dns, map=MAP)
    assert daemon.ask("tcp_table", "example.org").hosts() == [onion("dns")]
    assert dns.count("example.org") == 1


def test_no_dns_for_pinned_ignored_and_onion(lab, dns):
    tor = lab.tor()
    daemon = lab.daemon(dns=dns, tor=tor, map=MAP)
    keys = (
        "pinned.example",
        "ignored.b.example.org",
        "münchen.example",
        "user@[127.0.0.1]",
        "*",
        "",
        onion("x"),
        "mail." + onion("x"),
        "onion",
        "foo.onion",
        mistyped("x"),
        onion("x") + ".",
        onion("x") + "..",
        onion("x") + ":25",
        "_x." + onion("x"),
        "-a." + onion("x"),
        "a b.onion",
        ".onion",
        "x" * 64 + ".onion",
        "-x。onion",
    )
    for listener in daemon.listeners:
        for key in keys:
            daemon.ask(listener, key)
    assert dns.seen == []
    assert daemon.counter("dns_queries") == 0


@pytest.mark.parametrize("name", ["foo_bar.example.org", "_x.y_.example.org"])
def test_an_underscore_is_a_character_of_labels(lab, dns, name):
    daemon = lab.daemon(dns=dns, map=MAP)
    assert daemon.ask("tcp_table", "u@" + name).hosts() == [onion("org")]


def test_an_emoji_with_its_variation_selector(lab):
    """As phones type it; mail servers leave the selector out."""
    daemon = lab.daemon(map=f"i❤.example {onion('heart')}\n❤️x.example {onion('x')}\n")
    for key in ("u@i❤️.example", "u@i❤.example", "u@xn--i-7iq.example", "u@I❤️.EXAMPLE"):
        assert daemon.ask("socketmap", key).hosts() == [onion("heart")]
    assert daemon.ask("socketmap", "u@❤x.example").hosts() == [onion("x")]


def test_only_the_srv_record_is_asked_for(lab, dns):
    daemon = lab.daemon(dns=dns, map=MAP)
    daemon.ask("tcp_table", "user@Example.ORG")
    daemon.ask("tcp_table", "user@example.org.")
    assert [(s.name, s.qtype) for s in dns.seen] == [("_onion-mx._tcp.example.org", 33)]


def test_other_prefix(lab):
    dns = lab.dns(prefix="_smtp-onion._tcp.")
    dns.on("a.example", dns_does.one(1))
    daemon = lab.daemon(dns=dns, srv_prefix="_smtp-onion._tcp.")
    assert daemon.ask("tcp_table", "a.example").hosts() == [onion(1)]


def test_many_targets(lab):
    """As many as a route may have."""
    targets = ", ".join(f"{onion(i)}:{2000 + i}" for i in range(16))
    tor = lab.tor()
    daemon = lab.daemon(tor=tor, map=f"many.example {targets}")
    for listener in daemon.listeners:
        answer = daemon.ask(listener, "many.example")
        assert [port for _, port in answer.targets()] == list(range(2000, 2016))
    hosts = daemon.ask("readsocket", "many.example").hosts()
    assert hosts == [tor.resolve(onion(i)) for i in range(16)]
