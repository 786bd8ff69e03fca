"""TLS with onion services by the bridge, as the map's "tls=" has it."""

from pathlib import Path

import pytest

from harness.onion import onion

from .bridge import bridge_daemon
from .conf import snippet
from .faulty import CLOSE, HANG, Act, Faulty, netstring
from .postfix import bridge_main
from .tls import NAME, SERVERS, TlsServers

RECIPIENT = "user@far.example"


@pytest.fixture
def servers(lab, net):
    servers = TlsServers(lab.dir)
    for server, sink in servers.sinks.items():
        net.run(sink)
        net.socks.route(onion(server), 25, sink)
    return servers


@pytest.fixture
def daemon(lab, net, servers):
    return bridge_daemon(lab, net, map=servers.map({s: onion(s) for s in SERVERS}))


def exim_transport(servers):
    trust = {"= system": f"= {servers.authority}"}
    return snippet("exim/bridge-transport", trust)


def test_exim(daemon, servers, make_exim, net):
    exim = make_exim(daemon.unix_path("exim"), transport=exim_transport(servers))
    exim.send(*servers.expected())
    assert servers.outcomes() == servers.expected()
    waiting = {r for r, outcome in servers.expected().items() if outcome == "waits"}
    assert set(exim.waiting()) == waiting
    servers.check_sessions()
    log = exim.log()
    assert log.count(f'depth=0: the certificate isn\'t for "{NAME}"') == 2
    assert "delivering unencrypted" not in log and "expand" not in log
    assert net.clearnet.connections == 0


def test_postfix(daemon, servers, make_postfix, net):
    trust = f"smtp_tls_CAfile = {servers.authority}\n"
    lines = bridge_main(daemon.unix_path("postfix"))
    postfix = net.run(make_postfix().configure(lines + trust, ""))
    postfix.send(*servers.expected())
    words = {"clear": "sent", "secured": "sent", "waits": "deferred"}
    for recipient, outcome in servers.expected().items():
        assert postfix.attempt(recipient).status == words[outcome], recipient
    assert servers.outcomes() == servers.expected()
    servers.check_sessions()
    assert net.clearnet.connections == 0


# The daemon is at fault when it is asked about TLS. The server's certificate would be
# good for the name.


class Asked:
    """A server that is reached at its address, as if that were one of the bridge, and a
    daemon that tells the way there, and then does something."""

    def __init__(self, lab, net, protocol, server):
        self.net = net
        self.servers = TlsServers(lab.dir)
        self.sink = net.run(self.servers.sinks[server])
        self.act = Act()
        self.path = lab.dir / "s"
        place = (self.sink.host, self.sink.port)
        if protocol == "readsocket":
            self.route = Act("OK {}::{}\n".format(*place).encode(), CLOSE)
        else:
            self.route = Act(netstring("OK smtp:[{}]:{}".format(*place).encode()))
        self.faulty = net.run(Faulty(protocol, self.path, self.answer))

    def answer(self, key):
        if self.sink.host in key:
            return self.act
        return self.route if key.endswith("far.example") else Act(netstring(b"NOTFOUND "))

    def nothing_came(self):
        assert self.sink.messages == []
        assert self.net.clearnet.connections == self.net.home.connections == 0


GOOD = f"OK secure:{NAME}\n".encode()

WRONG = {
    "nothing": b"",
    "no": b"NO\n",
    "temporary error": b"TEMP too many clients\n",
    "cut none": b"OK none",
    "cut may": b"OK may",
    "cut name": GOOD[:-4],
    "cut before the newline": GOOD[:-1],
    "CRLF": b"OK none\r\n",
    "two lines": b"OK none\nOK none\n",
    "NUL first": b"\0OK none\n",
    "upper case": b"OK NONE\n",
    "a word more": b"OK may encrypt\n",
    "no name": b"OK secure:\n",
    "two names": f"OK secure:{NAME}:mx.other.example\n".encode(),
    "wildcard": b"OK secure:*.site.example\n",
    "to be expanded": b"OK secure:${sg{" + NAME.encode() + b"}{}{}}\n",
    "10 kB": b"OK none" + b" " * 10000 + b"\n",
    "garbage": bytes(range(1, 256)) * 4,
}


@pytest.fixture
def make_asked(lab, net):
    return lambda protocol, server="right": Asked(lab, net, protocol, server)


def exim_asking(asked, make_exim):
    return make_exim(asked.path, transport=exim_transport(asked.servers))


def exim_must_wait(asked, exim):
    exim.send(RECIPIENT)
    assert exim.waiting() == [RECIPIENT], exim.log()
    assert "**" not in exim.log()
    asked.nothing_came()


def test_exim_asks_once(make_asked, make_exim):
    """For each delivery: there is no moment in which the daemon could die."""
    asked = make_asked("readsocket")
    asked.act = Act(GOOD, CLOSE)
    exim = exim_asking(asked, make_exim)
    exim.send(RECIPIENT)
    assert asked.sink.secured == [RECIPIENT], exim.log()
    assert asked.faulty.asked == ["far.example", asked.sink.host]


@pytest.mark.parametrize("server", ["right", "plain"])
@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG)
def test_exim_waits_for_a_right_answer(make_asked, make_exim, answer, server):
    asked = make_asked("readsocket", server)
    asked.act = Act(answer, CLOSE)
    exim_must_wait(asked, exim_asking(asked, make_exim))


def test_exim_waits_for_a_daemon_that_has_died(make_asked, make_exim):
    asked = make_asked("readsocket")

    def answer(_):
        Path(asked.path).unlink()
        return asked.route

    asked.faulty.answer = answer
    exim_must_wait(asked, exim_asking(asked, make_exim))


def test_exim_waits_for_a_daemon_that_hangs(make_asked, make_exim):
    """It asks anew for each option."""
    asked = make_asked("readsocket")
    asked.act = Act(then=HANG)
    transport = exim_transport(asked.servers).replace("{5s:", "{1s:")
    exim_must_wait(asked, make_exim(asked.path, transport=transport))


POSTFIX_WRONG = {
    "temporary error": Act(netstring(b"TEMP no answer")),
    "permanent error": Act(netstring(b"PERM unknown map")),
    "closes": Act(then=CLOSE),
    "cut": Act(netstring(b"OK may")[:-2], CLOSE),
    "unknown level": Act(netstring(b"OK what")),
    "no name": Act(netstring(b"OK secure match=")),
    "another name": Act(netstring(b"OK secure match=mx.other.example")),
    "empty value": Act(netstring(b"OK ")),
    "NUL": Act(netstring(b"\0")),
}


def postfix_asking(asked, net, make_postfix):
    trust = f"smtp_tls_CAfile = {asked.servers.authority}\n"
    return net.run(make_postfix().configure(bridge_main(asked.path) + trust, ""))


@pytest.mark.parametrize("act", POSTFIX_WRONG.values(), ids=POSTFIX_WRONG)
def test_postfix_waits_for_a_right_answer(make_asked, make_postfix, net, act):
    asked = make_asked("socketmap")
    postfix = postfix_asking(asked, net, make_postfix)
    asked.act = act
    postfix.send(RECIPIENT)
    attempt = postfix.attempt(RECIPIENT)
    assert attempt.status == "deferred", attempt
    assert f"[{asked.sink.host}]:{asked.sink.port}" in asked.faulty.asked
    asked.nothing_came()
    asked.act = Act(netstring(f"OK secure match={NAME} servername={NAME}".encode()))
    postfix.flush()
    assert postfix.attempt(RECIPIENT, 2).status == "sent"
    assert asked.sink.secured == [RECIPIENT]
