"""The policy service: smtpd waits at RCPT until DNS has answered, and hears DUNNO."""

import time

import pytest

from harness import behaviours as does
from harness.bridged import NET, free_bridge_port
from harness.clients import ROUTE, connect
from harness.onion import onion
from harness.proc import LOOPBACK, free_port, wait_until

DUNNO = b"action=DUNNO\n\n"


@pytest.fixture
def dns(lab):
    return lab.dns()


@pytest.fixture(params=["unix", "TCP"])
def daemon(lab, dns, request):
    """Beside a listener for the queue manager, with its default deadline."""
    path = f"unix:{lab.dir}/policy.sock"
    place = path if request.param == "unix" else f"{LOOPBACK}:{free_port()}"
    listeners = {
        "policy": {"protocol": "policy", "address": place},
        "socketmap": {"protocol": "socketmap", "address": f"unix:{lab.dir}/s.sock"},
    }
    text = f"mapped.example {onion('mapped')}\n"
    return lab.daemon(listeners, dns=dns, map=text)


def ask(daemon, key):
    """How long the answer took."""
    start = time.monotonic()
    daemon.ask("policy", key)
    return time.monotonic() - start


def test_the_queue_manager_finds_it_in_the_cache(daemon, dns):
    """Though DNS takes longer than that would wait."""
    dns.on("slow.example", does.delay(1, does.one("slow")))
    assert ask(daemon, "user@slow.example") >= 0.9
    answer = daemon.ask("socketmap", "user@slow.example")
    assert (answer.outcome, answer.hosts()) == (ROUTE, [onion("slow")])
    assert dns.count("slow.example") == 1
    assert daemon.counted("policy_lookups") == daemon.counted("lookups") == 1
    assert daemon.counted("answers_route") == 1


def test_the_deadline(daemon, dns):
    dns.on("dead.example", does.silence())
    assert ask(daemon, "user@dead.example") >= 2.9
    assert daemon.counted("deadlines") == 1
    assert daemon.counted("answers_temp") == 0


def test_what_isnt_asked(daemon, dns):
    """The map knows, or nobody may."""
    for key in ("u@mapped.example", "u@" + onion("x"), "u@[192.0.2.1]", "postmaster", ""):
        daemon.ask("policy", key)
    assert dns.seen == []
    client = daemon.client("policy")
    with connect(daemon.address("policy")) as s:
        s.sendall(client.request("user@other.example", state="DATA"))
        client.read(s)
    assert dns.seen == []


def test_pipelined_in_order(daemon, dns):
    """An answer that is ready waits for the one before it."""
    dns.on("slow.example", does.delay(0.5, does.one("slow")))
    client = daemon.client("policy")
    with connect(daemon.address("policy")) as s:
        keys = ("user@slow.example", "user@mapped.example")
        s.sendall(b"".join(client.request(key) for key in keys))
        assert s.recv(len(DUNNO)) == DUNNO
        assert dns.count("slow.example") == 1
        with s.makefile("rb") as file:
            client.next_answer(file)
        s.sendall(client.request("user@mapped.example"))
        client.read(s)


@pytest.mark.parametrize(
    "request_, closes",
    [
        (b"request=other\n\n", False),
        (b"recipient=user@a.example\n\n", True),
        (b"get user@a.example\n", True),
        (b"\n", True),
        (b"request=smtpd_access_policy\n" + b"a" * 4096, True),
    ],
)
def test_bad_requests(daemon, dns, request_, closes):
    """DUNNO all the same: nothing may depend on it."""
    with connect(daemon.address("policy")) as s:
        s.sendall(request_)
        with s.makefile("rb") as file:
            assert file.read(len(DUNNO)) == DUNNO
            if closes:
                assert file.read() == b""
            else:
                s.sendall(daemon.client("policy").request("user@mapped.example"))
                daemon.client("policy").next_answer(file)
    kind = "malformed" if closes else "unknown"
    assert daemon.counted("requests_" + kind) == 1
    assert dns.seen == []


def test_one_byte_per_packet(daemon, dns):
    dns.on("a.example", does.one("a"))
    client = daemon.client("policy")
    with connect(daemon.address("policy")) as s:
        for byte in client.request("user@a.example"):
            s.sendall(bytes([byte]))
        client.read(s)
    assert dns.count("a.example") == 1


def test_it_has_no_address_of_the_bridge(lab, dns):
    """And pins no route."""
    dns.on("a.example", does.one("a"))
    state = lab.dir / "state"
    state.mkdir()
    listeners = {"policy": {"protocol": "policy", "address": f"unix:{lab.dir}/p.sock"}}
    for style in ("bridge", "address", "onion"):
        listeners[style] = {
            "protocol": "socketmap",
            "address": f"unix:{lab.dir}/{style}.sock",
            "answer": style,
        }
    place = {"bridge_network": NET, "bridge_port": free_bridge_port()}
    settings = {"state_dir": str(state), "pin_srv": "yes", **place}
    daemon = lab.daemon(listeners, dns=dns, **settings)
    daemon.ask("policy", "user@a.example")
    daemon.ask("policy", "user@" + onion("b"))
    for counter in ("bridge_addresses", "pins_new", "tor_queries"):
        assert daemon.counted(counter) == 0, counter
    assert "policy" not in daemon.onionmap("explain", "a.example")
    daemon.ask("onion", "a.example")
    wait_until(lambda: daemon.counted("pins_new") == 1, "the pin")
