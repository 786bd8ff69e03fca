"""Mail servers whose session through the bridge is cut off at each stage: no message is lost,
and none is delivered twice unless it was cut off between its end and the reply to that."""

import pytest

from harness.onion import onion
from harness.proc import wait_until

from .bridge import bridge_daemon
from .conf import snippet
from .postfix import bridge_main
from .tls import Authority, TlsSession, TlsSink

STAGES = ["connect", "EHLO", "MAIL", "first RCPT", "last RCPT", "DATA", "text", "dot"]
RECIPIENTS = [f"r{i}@pinned.example" for i in range(3)]


class CutSession(TlsSession):
    """Ends at a stage, before its reply."""

    def reach(self, stage):
        if self.server.cut == stage and self.tls == (self.server.context is not None):
            self.server.count += 1
            raise ConnectionAbortedError

    def command(self, line):
        verb = line[:4].upper()
        if verb != "RCPT":
            self.reach(verb)
        return super().command(line)

    def envelope(self, verb, line):
        super().envelope(verb, line)
        if verb == "RCPT" and len(self.recipients) in (1, len(RECIPIENTS)):
            self.reach("first RCPT" if len(self.recipients) == 1 else "last RCPT")

    def line(self):
        self.reach("text")
        return super().line()

    def say(self, *lines):
        if lines[0] == "250 taken":
            self.reach("dot")
        elif lines[0].startswith("220 sink") and self.server.cut == "connect":
            self.server.count += 1
            raise ConnectionAbortedError
        super().say(*lines)


class CutSink(TlsSink):
    """cut: the stage, or None. count: how many sessions were."""

    def __init__(self, cut, certificate):
        super().__init__(certificate)
        self.RequestHandlerClass = CutSession
        self.cut, self.count = cut, 0
        if self.context:
            # While it reads a session ticket, Exim has no limit but smtp_receive_timeout.
            self.context.num_tickets = 0


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def make_sink(request, lab, net):
    def make(stage):
        certificate = None
        if request.param:
            certificate = Authority(lab.dir).certificate("sink.example")
        sink = net.run(CutSink(stage, certificate))
        net.socks.route(onion("pinned"), 25, sink)
        return sink

    return make


@pytest.fixture
def daemon(lab, net):
    return bridge_daemon(lab, net)


def check_kept(sink, waiting):
    """Right after the cut."""
    assert sink.count > 0
    assert [r for r in RECIPIENTS if r not in waiting and not sink.to(r)] == []


def check_delivered(sink, stage):
    copies = [len(sink.to(r)) for r in RECIPIENTS]
    assert all(1 <= n <= (2 if stage == "dot" else 1) for n in copies), copies


@pytest.mark.parametrize("stage", STAGES)
def test_exim(daemon, make_sink, make_exim, stage):
    """It gives up on a silent TLS session by a limit of its own."""
    sink = make_sink(stage)
    soon = "command_timeout = 2s\n  data_timeout = 2s\n  final_timeout = 2s"
    transport = snippet("exim/bridge-transport").replace("command_timeout = 5m", soon)
    assert soon in transport
    exim = make_exim(daemon.unix_path("exim"), transport=transport)
    exim.send(*RECIPIENTS)
    check_kept(sink, exim.waiting())
    sink.cut = None
    exim.run_queue()
    check_delivered(sink, stage)
    assert exim.queue() == {}


@pytest.mark.parametrize("stage", STAGES)
def test_postfix(daemon, make_sink, make_postfix, net, stage):
    sink = make_sink(stage)
    limits = ("helo", "starttls", "mail", "rcpt", "data_init", "data_xfer", "data_done")
    soon = "".join(f"smtp_{name}_timeout = 2s\n" for name in limits)
    lines = bridge_main(daemon.unix_path("postfix")) + soon
    postfix = net.run(make_postfix().configure(lines, ""))
    postfix.send(*RECIPIENTS)
    deferred = [r for r in RECIPIENTS if postfix.attempt(r).status == "deferred"]
    check_kept(sink, deferred)
    sink.cut = None
    postfix.flush()
    for recipient in RECIPIENTS:
        sink.wait_for(recipient)
    wait_until(lambda: not postfix.queue(), "an empty queue")
    check_delivered(sink, stage)
