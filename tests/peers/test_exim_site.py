"""Exim with the routers and the bridge's transport of conf/, at a site that verifies
addresses: what it accepts, and what of its own domains."""

import pytest

from harness.clients import ROUTE
from harness.onion import mistyped, onion

from .bridge import MAP, bridge_daemon
from .conf import snippet
from .faulty import CLOSE, HANG, Act, Faulty

OWN = ["user@site.example", "user@relay.example"]

OWN_MAP = f"""\
{MAP}
site.example {onion("our own")}
relay.example {onion("our own")}
"""

FAR = [
    "user@pinned.example",
    "user@absent.example",
    "user@" + onion("x"),
    "user@sub." + onion("x"),
    "user@" + mistyped("x"),
]

# The routers after those of conf/ never see an .onion name: they would ask DNS.
CLEARNET = "  domains = ! +local_domains : ! +relay_to_domains\n  transport = plain_smtp\n"
NO_ONION = CLEARNET.replace("domains\n", "domains : ! *.onion\n")

VERIFYING = """\
acl_smtp_mail = mail
acl_smtp_rcpt = rcpt

begin acl

mail:
  require verify = sender
  accept

"""


def verifying(exim):
    exim.paste("acl_smtp_rcpt = rcpt\n\nbegin acl\n\n", VERIFYING)
    exim.paste(CLEARNET, NO_ONION)
    return exim


@pytest.fixture
def make_site(make_exim):
    def make(socket, **options):
        return verifying(make_exim(socket, transport=snippet("exim/bridge-transport"), **options))

    return make


@pytest.mark.parametrize("address", OWN)
def test_own_domains_never_go_by_onion(lab, net, make_site, address):
    """Even where the daemon has a route: the site's own onion service."""
    daemon = bridge_daemon(lab, net, map=OWN_MAP)
    assert daemon.ask("exim", address.partition("@")[2]).outcome == ROUTE
    exim = make_site(daemon.unix_path("exim"))
    assert exim.route(address).router == "home"
    exim.send(address)
    assert len(net.home.to(address)) == 1
    daemon.kill()
    assert exim.rcpt(address)[0] == 250
    exim.send(address)
    assert len(net.home.to(address)) == 2
    assert net.socks.asked == []


ACTS = {
    "route": Act(b"OK 127.42.0.1::14525\n", CLOSE),
    "temporary error": Act(b"TEMP no answer\n", CLOSE),
    "failure": Act(b"FAIL no such onion\n", CLOSE),
    "no answer": Act(b"", CLOSE),
    "hangs": Act(then=HANG),
}


def must_accept(exim):
    for address in FAR:
        replies = exim.session(f"MAIL FROM:<{address}>", f"RCPT TO:<{address}>")
        assert [reply[:3] for reply in replies] == ["250", "250"], (address, replies)


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_verification_asks_nobody(lab, net, make_site, act):
    faulty = net.run(Faulty("readsocket", lab.dir / "s", lambda key: act))
    must_accept(make_site(lab.dir / "s"))
    assert faulty.connections == []


def test_verification_while_the_daemon_is_dead(lab, make_site):
    must_accept(make_site(lab.dir / "s"))


def test_accepted_while_the_daemon_is_dead(lab, net, make_site):
    """The mail waits in the queue, and goes when the daemon is back."""
    sink = net.sink()
    net.socks.route(onion("pinned"), 25, sink)
    daemon = bridge_daemon(lab, net)
    daemon.kill()
    exim = make_site(daemon.unix_path("exim"))
    sender, recipient = "sender@pinned.example", "user@pinned.example"
    text = ("DATA", "Subject: test", "", "Hello.", ".")
    replies = exim.session(f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", *text)
    assert [reply[:3] for reply in replies] == ["250", "250", "354", "250"]
    exim.run_queue()
    assert exim.waiting() == [recipient]
    daemon.start()
    exim.run_queue()
    assert [message.recipients for message in sink.messages] == [[recipient]]
    assert exim.queue() == {}
    assert net.clearnet.connections == 0


CONNECTING = {
    "cutthrough": "rcpt:\n  warn control = cutthrough_delivery\n",
    "callout": "rcpt:\n  require verify = recipient/callout\n",
}


@pytest.mark.parametrize("line", CONNECTING.values(), ids=CONNECTING)
def test_verification_that_connects(lab, net, make_site, line):
    """It does at RCPT, but not by clearnet for a recipient who may have an onion service."""
    faulty = net.run(Faulty("readsocket", lab.dir / "s", lambda key: ACTS["route"]))
    exim = make_site(lab.dir / "s")
    exim.paste("rcpt:\n", line)
    assert exim.rcpt(OWN[0])[0] == 250
    assert net.home.connections > 0
    for address in FAR:
        assert exim.rcpt(address)[0] == 250
    assert net.clearnet.connections == 0
    assert faulty.connections == []
