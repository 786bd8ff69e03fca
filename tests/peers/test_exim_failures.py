"""What Exim does, with the routers of conf/, when the daemon is at fault."""

import pytest

from harness.proc import wait_until

from .conf import instead, snippet
from .exim import SENDER
from .faulty import CLOSE, HANG, Act, Faulty, Full

RECIPIENT = "user@pinned.example"

# The virtual address of an onion service, as the daemon would give it.
VIRTUAL = "10.192.0.55"
RIGHT = f"OK {VIRTUAL}\n".encode()


@pytest.fixture
def onion(net):
    sink = net.sink()
    net.socks.route(VIRTUAL, 25, sink)
    return sink


@pytest.fixture
def exim_asking(lab, net, make_exim):
    """A function that makes an Exim whose daemon does one thing."""

    def make(act, **options):
        act = act if isinstance(act, Act) else Act(act, CLOSE)
        path = lab.dir / "s"
        net.run(Faulty("readsocket", path, lambda key: act))
        return make_exim(path, **options)

    return make


def must_wait(exim, net, why):
    """The message is in the queue, the log says why, and nobody was connected to."""
    exim.send(RECIPIENT)
    assert exim.waiting() == [RECIPIENT], exim.log()
    assert why in exim.log()
    assert "**" not in exim.log()
    assert net.clearnet.connections == 0
    assert net.home.connections == 0
    assert net.socks.asked == []


def test_right_answer(net, onion, exim_asking):
    exim_asking(RIGHT).send(RECIPIENT)
    assert len(onion.to(RECIPIENT)) == 1
    assert net.clearnet.connections == 0


def test_right_answer_after_three_seconds(net, onion, exim_asking):
    exim_asking(Act(RIGHT, CLOSE, pause=3)).send(RECIPIENT)
    assert len(onion.to(RECIPIENT)) == 1
    assert net.clearnet.connections == 0


def test_no_goes_the_normal_way(net, exim_asking):
    exim_asking(b"NO\n").send(RECIPIENT)
    assert len(net.clearnet.to(RECIPIENT)) == 1
    assert net.socks.asked == []


def test_address_of_this_host(exim_asking):
    """A range on loopback is possible; tor has it all the same, and not this host."""
    verdict = exim_asking(b"OK 127.0.0.1\n").route(RECIPIENT)
    assert (verdict.outcome, verdict.router) == ("routed", "onion"), verdict.text


def test_fail_bounces(net, exim_asking):
    exim = exim_asking(b"FAIL no such onion ${run{/bin/true}}\n")
    exim.send(RECIPIENT)
    bounce = net.home.wait_for(SENDER)
    assert bounce.sender == ""
    assert "onion route: no such onion ${run{/bin/true}}" in bounce.text
    wait_until(lambda: not exim.queue(), "the queue to be empty")
    assert net.clearnet.connections == 0
    assert net.socks.asked == []


WRONG = {
    "temporary error": (b"TEMP no answer\n", "onion route: no answer"),
    "closes without an answer": (b"", 'bad answer ""'),
    "cut in an address": (RIGHT[:-2], f'bad answer "OK {VIRTUAL[:-1]}"'),
    "cut before the newline": (RIGHT[:-1], f'bad answer "OK {VIRTUAL}"'),
    "cut no": (b"NO", 'bad answer "NO"'),
    "NUL first": (b"\0" + RIGHT, "bad answer"),
    "NUL first, then no": (b"\0NO\n", "bad answer"),
    "NUL alone": (b"\0", "bad answer"),
    "CRLF": (RIGHT[:-1] + b"\r\n", f'bad answer "OK {VIRTUAL}\\r\\n"'),
    "no with CRLF": (b"NO\r\n", 'bad answer "NO\\r\\n"'),
    "10 kB of addresses": (RIGHT[:-1] + b":10.192.0.5" * 930 + b"\n", "bad answer"),
    "10 kB of one word": (b"OK " + b"a" * 10000 + b"\n", "bad answer"),
    "two lines": (RIGHT + RIGHT, "bad answer"),
    "no, then more": (b"NO\nNO\n", "bad answer"),
    "garbage": (bytes(range(1, 256)) * 4, "bad answer"),
    "empty line": (b"\n", 'bad answer "\\n"'),
}


@pytest.mark.parametrize("answer, why", WRONG.values(), ids=WRONG)
def test_wrong_answer_waits(net, exim_asking, answer, why):
    must_wait(exim_asking(answer), net, why)


def test_hanging_daemon(net, exim_asking):
    must_wait(exim_asking(Act(then=HANG)), net, "onionmxd is unreachable")


def test_daemon_that_answers_and_does_not_close(net, exim_asking):
    """Exim reads to the end of the file, so the answer isn't one yet."""
    must_wait(exim_asking(Act(RIGHT, HANG)), net, "onionmxd is unreachable")


def test_no_socket(lab, net, make_exim):
    must_wait(make_exim(lab.dir / "none"), net, "onionmxd is unreachable")


def test_nobody_listens(lab, net, make_exim):
    path = lab.dir / "s"
    faulty = Faulty("readsocket", path, None).start()
    faulty.stop()
    assert path.exists()
    must_wait(make_exim(path), net, "onionmxd is unreachable")


def test_queue_of_the_socket_is_full(lab, net, make_exim):
    path = lab.dir / "s"
    net.run(Full(path))
    must_wait(make_exim(path), net, "onionmxd is unreachable")


def prefers_clearnet():
    """The other address_data, which conf/ has in a comment."""
    return instead(snippet("exim/router"), "TEMP onionmxd is unreachable", "{NO\\n}}")


@pytest.mark.parametrize("daemon", ["none", "hangs"])
def test_clearnet_when_the_daemon_is_down(lab, net, make_exim, exim_asking, daemon):
    router = prefers_clearnet()
    if daemon == "hangs":
        exim = exim_asking(Act(then=HANG), router=router)
    else:
        exim = make_exim(lab.dir / "none", router=router)
    exim.send(RECIPIENT)
    assert len(net.clearnet.to(RECIPIENT)) == 1


@pytest.mark.parametrize(
    "answer", [b"", b"NO", b"\0NO\n", b"TEMP no answer\n", RIGHT[:-1]]
)
def test_wrong_answers_wait_even_then(net, exim_asking, answer):
    must_wait(exim_asking(answer, router=prefers_clearnet()), net, "onion route: ")


def test_mail_arrives_when_the_daemon_is_back(lab, net, onion, make_exim):
    path = lab.dir / "s"
    exim = make_exim(path)
    must_wait(exim, net, "onionmxd is unreachable")
    net.run(Faulty("readsocket", path, lambda key: Act(RIGHT, CLOSE)))
    exim.run_queue()
    assert len(onion.to(RECIPIENT)) == 1
    assert exim.queue() == {}
    assert net.clearnet.connections == 0


def test_one_question_for_a_domain(lab, net, onion, make_exim):
    path = lab.dir / "s"
    faulty = net.run(Faulty("readsocket", path, lambda key: Act(RIGHT, CLOSE)))
    make_exim(path).send("a@pinned.example", "b@pinned.example", "c@Pinned.Example")
    assert faulty.asked == ["pinned.example"]
    assert len(onion.messages) == 1 and len(onion.messages[0].recipients) == 3


def test_naive_router_would_use_clearnet(net, exim_asking):
    """That the tests above could fail: this is what the routers of conf/ are for."""
    naive = """\
onion:
  driver = manualroute
  domains = ! +local_domains
  transport = onion_smtp
  route_data = ${readsocket{/run/onionmxd/exim.sock}{route $domain\\n}{5s}{}{}}
"""
    exim_asking(b"", router=naive).send(RECIPIENT)
    assert len(net.clearnet.to(RECIPIENT)) == 1
