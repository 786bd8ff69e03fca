"""Exim with the routers and the transport of conf/, and the real daemon."""

import pytest

from harness import behaviours
from harness.onion import mistyped, onion
from harness.proc import wait_until
from harness.unbound import DEAD_ZONE

from .conf import snippet
from .exim import SENDER


@pytest.fixture
def world(lab, make_world):
    """With the daemon's default deadline: Exim waits for 5 seconds."""
    return make_world(listeners=lab.listeners(deadline_ms=4000))


@pytest.fixture
def exim(world, make_exim):
    return make_exim(world.daemon.unix_path("readsocket"))


def test_readsocket(world, exim):
    path = world.daemon.unix_path("readsocket")

    def ask(domain):
        return exim.expand(f"${{readsocket{{{path}}}{{route {domain}\\n}}{{5s}}}}")

    assert ask("pinned.example") == f"OK {world.virtual('pinned')}\n"
    first, second = world.virtual("dead"), world.virtual("alive")
    assert ask("two.example") == f"OK {first}::2525:{second}::2526\n"
    assert ask("absent.example") == "NO\n"
    assert ask("[127.0.0.1]") == "NO\n"
    assert ask("a." + DEAD_ZONE).startswith("TEMP ")
    assert ask(mistyped("x")).startswith("FAIL ")


@pytest.mark.parametrize(
    "domain, targets",
    [
        ("pinned.example", [("pinned", 25)]),
        ("Pinned.EXAMPLE", [("pinned", 25)]),
        ("srv.example", [("srv", 25)]),
        ("port.example", [("port", 2525)]),
        ("two.example", [("dead", 2525), ("alive", 2526)]),
        (onion("recipient"), [("recipient", 25)]),
    ],
)
def test_route(world, exim, domain, targets):
    verdict = exim.route("user@" + domain)
    assert (verdict.outcome, verdict.router) == ("routed", "onion"), verdict.text
    assert verdict.hosts == [(world.virtual(seed), port) for seed, port in targets]
    assert exim.rcpt("user@" + domain)[0] == 250


@pytest.mark.parametrize("domain", ["absent.example", "ignored.example"])
def test_none(exim, domain):
    verdict = exim.route("user@" + domain)
    assert (verdict.outcome, verdict.router) == ("routed", "clearnet"), verdict.text
    assert exim.rcpt("user@" + domain)[0] == 250


def test_temp(exim):
    verdict = exim.route("user@a." + DEAD_ZONE)
    assert verdict.outcome == "deferred"
    assert "onion route: " in verdict.text
    assert "bad answer" not in verdict.text and "not permitted" not in verdict.text


def test_temp_while_tor_is_down(world, exim):
    world.tor.kill()
    assert exim.route("user@pinned.example").outcome == "deferred"
    assert exim.route("user@absent.example").router == "clearnet"


def test_temp_at_the_deadline(lab, make_world, make_exim):
    """The daemon is quicker than Exim's patience, and says what was wrong."""
    dns = lab.dns()
    dns.on("hangs.example", behaviours.silence())
    world = make_world(dns=dns, listeners=lab.listeners(deadline_ms=500))
    exim = make_exim(world.daemon.unix_path("readsocket"))
    verdict = exim.route("user@hangs.example")
    assert verdict.outcome == "deferred"
    assert "onion route: " in verdict.text
    assert "unreachable" not in verdict.text and "bad answer" not in verdict.text


def test_daemon_that_prefers_clearnet(make_world, make_exim):
    world = make_world(settings={"on_failure": "clearnet"})
    exim = make_exim(world.daemon.unix_path("readsocket"))
    assert exim.route("user@a." + DEAD_ZONE).router == "clearnet"
    assert exim.route("user@srv.example").router == "onion"
    assert exim.route("user@" + mistyped("x")).outcome == "failed"


def test_fail(exim):
    verdict = exim.route("user@" + mistyped("x"))
    assert verdict.outcome == "failed"
    assert "onion route: " in verdict.text


def test_local_mail_needs_no_daemon(world, exim):
    """It stays here even where the daemon has a route: the site's own onion service."""
    assert exim.route("somebody@site.example").router == "home"
    world.daemon.kill()
    assert exim.route("somebody@site.example").router == "home"


def test_delivery(world, exim, net):
    """By SRV, to a port that isn't 25."""
    sink = net.sink()
    net.socks.route(world.virtual("port"), 2525, sink)
    exim.send("user@port.example", body="Hello.\n.\n..dots\n")
    [message] = sink.messages
    assert (message.sender, message.recipients) == (SENDER, ["user@port.example"])
    assert message.data.endswith(b"\r\n\r\nHello.\r\n.\r\n..dots\r\n")
    assert net.socks.asked == [(world.virtual("port"), 2525)]
    assert exim.queue() == {}
    assert net.clearnet.connections == 0


def test_first_target_is_dead(world, exim, net):
    sink = net.sink()
    net.socks.route(world.virtual("alive"), 2526, sink)
    exim.send("user@two.example")
    assert len(sink.to("user@two.example")) == 1
    assert net.socks.asked == [
        (world.virtual("dead"), 2525),
        (world.virtual("alive"), 2526),
    ]
    assert exim.queue() == {}
    assert net.clearnet.connections == 0


def test_all_targets_are_dead(world, exim, net):
    exim.send("user@two.example")
    assert len(net.socks.asked) == 2
    assert exim.waiting() == ["user@two.example"]
    assert net.clearnet.connections == 0


def test_each_recipient_goes_its_way(world, exim, net):
    sink = net.sink()
    for seed in ("pinned", "srv"):
        net.socks.route(world.virtual(seed), 25, sink)
    gone, waits, fails = "a@absent.example", "b@a." + DEAD_ZONE, "c@" + mistyped("x")
    exim.send("d@pinned.example", "e@srv.example", gone, waits, fails)
    assert len(sink.to("d@pinned.example")) == len(sink.to("e@srv.example")) == 1
    assert [m.recipients for m in net.clearnet.messages] == [[gone]]
    assert fails in net.home.wait_for(SENDER).text
    wait_until(lambda: exim.waiting() == [waits], "one recipient to be left")


def test_tor_and_daemon_down_and_up_again(world, exim, net):
    """Mail waits; what comes back is asked anew, the addresses, too."""
    sink = net.sink()
    world.tor.kill()
    exim.send("user@pinned.example")
    world.daemon.kill()
    exim.run_queue()
    assert exim.waiting() == ["user@pinned.example"]
    world.tor.restart()
    world.daemon.start()
    net.socks.route(world.virtual("pinned"), 25, sink)
    exim.run_queue()
    assert len(sink.to("user@pinned.example")) == 1
    assert exim.queue() == {}
    assert net.clearnet.connections == 0


def pinned(world, net, **options):
    sink = net.sink(**options)
    net.socks.route(world.virtual("pinned"), 25, sink)
    return sink


def test_exactly_once(world, exim, net):
    """Also where the answer to the message takes its time."""
    sink = pinned(world, net, pause=0.3)
    exim.send("user@pinned.example")
    exim.run_queue()
    assert len(sink.messages) == 1
    assert exim.queue() == {}


def test_pipelining_would_send_twice(world, make_exim, net):
    """What hosts_avoid_pipelining is for, and that the test above could fail."""
    sink = pinned(world, net, pause=0.3)
    line = "  hosts_avoid_pipelining = *\n"
    transport = snippet("exim/transport", {line: ""})
    exim = make_exim(world.daemon.unix_path("readsocket"), transport=transport)
    exim.send("user@pinned.example")
    exim.run_queue()
    assert len(sink.messages) > 1


@pytest.mark.parametrize("line", ["", "  delay_after_cutoff = false\n"])
def test_an_address_with_a_past(world, make_exim, net, line):
    """An address that failed for too long, as another onion service, gets a new message
    all the same. It wouldn't without that line of the transport."""
    transport = snippet("exim/transport", {line: ""} if line else None)
    path = world.daemon.unix_path("readsocket")
    exim = make_exim(path, transport=transport, retry="F,1s,1h")

    def given_up(count):
        exim.run_queue()
        return len(net.home.messages) == count

    # The first message may bounce for its own age.
    for count in (1, 2):
        exim.send("old@pinned.example")
        wait_until(lambda: given_up(count), "Exim to give the address up")
    sink = pinned(world, net)
    exim.send("new@pinned.example")
    assert len(sink.to("new@pinned.example")) == (0 if line else 1)


def test_each_port_of_an_onion_is_a_server_of_its_own(world, exim, net):
    """By an open connection Exim would send what waits for another port, too."""
    server, other = net.sink(), net.sink()
    host = world.virtual("port")
    net.socks.route(host, 25, other)
    exim.send("user@port.example")
    assert exim.waiting() == ["user@port.example"]
    exim.send(f"user@{onion('port')}")
    wait_until(lambda: other.messages, "the second message")
    net.socks.route(host, 2525, server)

    def over():
        exim.run_queue()
        return not exim.queue()

    wait_until(over, "the queue to be empty")
    assert [m.recipients for m in server.messages] == [["user@port.example"]]
    assert [m.recipients for m in other.messages] == [[f"user@{onion('port')}"]]
