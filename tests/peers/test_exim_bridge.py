"""Exim with the routers and the bridge's transport of conf/, and the real daemon."""

import re

import pytest

from harness.onion import onion
from harness.proc import wait_until
from harness.unbound import DEAD_ZONE

from .bridge import bridge_daemon
from .conf import snippet
from .exim import SENDER

NO_DESCRIPTOR = 0xF0


@pytest.fixture
def daemon(lab, net):
    return bridge_daemon(lab, net)


@pytest.fixture
def exim(daemon, make_exim):
    transport = snippet("exim/bridge-transport")
    return make_exim(daemon.unix_path("exim"), transport=transport)


def pinned(net, **options):
    sink = net.sink(**options)
    net.socks.route(onion("pinned"), 25, sink)
    return sink


def went_to(exim, recipient):
    """The addresses to which its mail went."""
    line = rf" => {recipient} .* H=(\S+) \[\1\]:(\d+) "
    return re.findall(line, exim.log())


def test_route(daemon, exim, net):
    verdict = exim.route("user@two.example")
    assert (verdict.outcome, verdict.router) == ("routed", "onion"), verdict.text
    assert verdict.hosts == daemon.ask("exim", "two.example").targets()
    assert len(verdict.hosts) == 1
    assert exim.rcpt("user@two.example")[0] == 250
    for domain in ("absent.example", "ignored.example"):
        assert exim.route("user@" + domain).router == "clearnet"
    assert exim.route("user@a." + DEAD_ZONE).outcome == "deferred"
    assert net.socks.asked == []


def test_delivery(daemon, exim, net):
    """By SRV, to a port that isn't 25. Tor gets the name."""
    sink = net.sink()
    net.socks.route(onion("srv"), 2525, sink)
    exim.send("user@srv.example", body="Hello.\n.\n..dots\n")
    [message] = sink.messages
    assert (message.sender, message.recipients) == (SENDER, ["user@srv.example"])
    assert message.data.endswith(b"\r\n\r\nHello.\r\n.\r\n..dots\r\n")
    assert net.socks.asked == [(onion("srv"), 2525)]
    assert exim.queue() == {}
    assert net.clearnet.connections == 0


def test_exactly_once_with_pipelining(exim, net):
    """Exim closes its sending side before it has read the last answer, and tor would end
    the connection."""
    assert "hosts_avoid_pipelining" not in snippet("exim/bridge-transport")
    sink = pinned(net, pause=0.3)
    exim.send("user@pinned.example")
    exim.run_queue()
    assert len(sink.messages) == 1
    assert exim.queue() == {}


def test_first_target_is_dead(exim, net):
    sink = net.sink()
    net.socks.route(onion("alive"), 2526, sink)
    exim.send("user@two.example")
    assert len(sink.to("user@two.example")) == 1
    assert net.socks.asked == [(onion("dead"), 2525), (onion("alive"), 2526)]
    assert exim.queue() == {}


@pytest.mark.parametrize(
    "failure, why",
    [
        (lambda socks: None, "connection refused"),
        (lambda socks: setattr(socks, "refusal", NO_DESCRIPTOR), "descriptor not found"),
        (lambda socks: setattr(socks, "dying", True), "tor closed the connection"),
    ],
    ids=["refused", "no descriptor", "tor dies"],
)
def test_the_log_says_why(exim, net, failure, why):
    failure(net.socks)
    exim.send("user@two.example")
    assert exim.waiting() == ["user@two.example"]
    assert f": 421 4.4.1 onion service unreachable: {why}\n" in exim.log()
    assert "**" not in exim.log()
    assert net.clearnet.connections == 0


def test_each_recipient_goes_its_way(exim, net):
    sink = pinned(net)
    net.socks.route(onion("srv"), 2525, sink)
    gone, waits = "a@absent.example", "b@a." + DEAD_ZONE
    exim.send("d@pinned.example", "e@srv.example", gone, waits)
    assert len(sink.to("d@pinned.example")) == len(sink.to("e@srv.example")) == 1
    assert [m.recipients for m in net.clearnet.messages] == [[gone]]
    wait_until(lambda: exim.waiting() == [waits], "one recipient to be left")


def test_daemon_down_and_up_again(daemon, exim, net):
    """Mail waits. The address is the one of before, and so is what Exim remembers of it;
    that of another route is another."""
    sink = pinned(net)
    exim.send("first@pinned.example", "user@two.example")
    daemon.kill()
    exim.send("second@pinned.example")
    assert set(exim.waiting()) == {"second@pinned.example", "user@two.example"}
    daemon.start()
    exim.run_queue()
    [first] = went_to(exim, "first@pinned.example")
    assert went_to(exim, "second@pinned.example") == [first]
    assert len(sink.messages) == 2
    assert exim.waiting() == ["user@two.example"]
    [second] = daemon.ask("exim", "two.example").targets()
    assert first[0] != second[0]
    failed = re.findall(r" H=(\S+) \[\1\]:\d+: SMTP error", exim.log())
    assert set(failed) == {second[0]}
    assert net.clearnet.connections == 0
