"""An onion MX with the settings of conf/ takes its own mail through Tor, and no other."""

import contextlib
import re
import smtplib
import socket

import pytest

from harness.proc import LOOPBACK, wait_until
from peers.sink import Sink

from .receiver import EximReceiver, OnionSMTP, PostfixReceiver, onion_service

OWN = "user@site.example"
FOREIGN = "user@foreign.example"

# What has made relays of mail servers.
TRICKS = (
    FOREIGN,
    "user%foreign.example@site.example",
    "user%foreign.example@mail.site.example",
    '"user@foreign.example"@site.example',
    '"user%foreign.example"@site.example',
    "@site.example:user@foreign.example",
    "@site.example,@mail.site.example:user@foreign.example",
    "foreign.example!user@site.example",
    "user@foreign.example@site.example",
)

MORE_TRICKS = (
    "user%foreign.example",
    "foreign.example!user",
    "user%foreign.example@[127.0.0.1]",
    f"user%foreign.example@[{LOOPBACK}]",
    "user@[198.51.100.1]",
    "user@198.51.100.1",
    "user@foreign.onion",
)

SENDERS = ("", OWN, FOREIGN)

# What tor says of a client, and mail servers write into the message.
CIRCUIT = "fc00:dead:beef:4dad:"


class Site:
    """A receiver, and two onions that lead to it: as in conf/, and the naive one that
    leads to the port of all other mail."""

    def __init__(self, kind, lab, tornet, stack, **options):
        self._stack = stack
        self._tornet = tornet
        self.home, self.clearnet = self.run(Sink()), self.run(Sink())
        self.mx = self.run(kind(lab.dir, self.home, self.clearnet, **options))

    def run(self, thing):
        self._stack.callback(thing.stop)
        return thing.start()

    def connect_tor(self, proxy=None):
        proxy = self.mx.proxy if proxy is None else proxy
        service = self._tornet.service(
            "mx",
            {"naive": {"ports": {25: f"{self.mx.host}:{self.mx.port}"}}},
            torrc=onion_service(self.mx, proxy),
        )
        self.client = self._tornet.client("client")
        self._tornet.wait()
        self.onion, self.naive = service.hostname("mx"), service.hostname("naive")
        return self

    def session(self, name=None, user=None):
        return OnionSMTP(self.client, name or self.onion, user)

    def nothing_relayed(self):
        wait_until(lambda: not self.mx.queue(), "the queue to be empty")
        assert self.clearnet.connections == 0


@pytest.fixture
def make_site(lab, tornet):
    with contextlib.ExitStack() as stack:
        yield lambda kind, **options: Site(kind, lab, tornet, stack, **options)


every_mta = pytest.mark.parametrize("kind", [PostfixReceiver, EximReceiver])


def rcpt(session, sender, recipient):
    """The answer to RCPT, written as it is."""
    session.rset()
    assert session.docmd(f"MAIL FROM:<{sender}>")[0] == 250
    return session.docmd(f"RCPT TO:<{recipient}>")[0]


def no_relay(connect):
    """Nothing foreign is accepted. connect: a function that makes sessions; mail servers
    lose patience after some errors."""
    for sender in SENDERS:
        for recipients in (TRICKS, MORE_TRICKS):
            with connect() as session:
                session.ehlo("mail.site.example")
                for recipient in recipients:
                    code = rcpt(session, sender, recipient)
                    assert 500 <= code < 600, (sender, recipient, code)


@every_mta
def test_own_mail_is_taken_and_nothing_is_relayed(make_site, kind):
    site = make_site(kind).connect_tor()
    no_relay(site.session)
    with site.session() as session:
        session.ehlo("client.example")
        assert not session.has_extn("auth")
        assert session.docmd("AUTH PLAIN")[0] >= 500
        assert rcpt(session, "", OWN) == 250
        session.rset()
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            session.sendmail(FOREIGN, FOREIGN, "Subject: relayed\n\n")
        text = "Subject: x\n\nHi.\n"
        refused = session.sendmail("sender@far.example", [OWN, FOREIGN], text)
    assert list(refused) == [FOREIGN]
    message = site.home.wait_for(OWN)
    site.nothing_relayed()
    assert site.home.messages == [message]
    assert (message.sender, message.recipients) == ("sender@far.example", [OWN])
    assert message.data.endswith(b"\r\nHi.\r\n")
    assert (CIRCUIT in message.text) == site.mx.proxy


@every_mta
def test_the_naive_set_up_is_an_open_relay(make_site, kind):
    """That the test above could fail."""
    site = make_site(kind).connect_tor()
    with site.session(site.naive) as session:
        session.sendmail(FOREIGN, FOREIGN, "Subject: relayed\n\n")
    site.clearnet.wait_for(FOREIGN)


def direct(mx, line=""):
    """A session on tor's port, from this host, that begins like tor's."""
    session = smtplib.SMTP()
    session.sock = socket.create_connection((mx.host, mx.onion_port), 20)
    session.sock.sendall(line.encode())
    session.file = None
    assert session.getreply()[0] == 220
    return session


def test_postfix_trusts_no_address_there(make_site):
    """Whatever tor, or something else on this host, says of the client."""
    site = make_site(PostfixReceiver)
    for line in (
        f"PROXY TCP4 127.0.0.1 127.0.0.1 1 {site.mx.onion_port}\r\n",
        f"PROXY TCP6 ::1 ::1 1 {site.mx.onion_port}\r\n",
    ):
        no_relay(lambda line=line: direct(site.mx, line))
    site.nothing_relayed()


def test_limits_are_those_of_a_circuit(make_site):
    limit = "smtpd_client_message_rate_limit="
    site = make_site(PostfixReceiver, replace={limit + "100": limit + "1"}).connect_tor()
    for user in ("first", "second"):
        with site.session(user=user) as session:
            session.sendmail(FOREIGN, f"{user}@site.example", "Subject: x\n\n")
            assert session.mail(FOREIGN)[0] == 450
        site.home.wait_for(f"{user}@site.example")
    clients = re.findall(rf": client=unknown\[{CIRCUIT}(\S+)\]", site.mx.log())
    assert len(set(clients)) == 2, clients


@pytest.mark.parametrize("kind", [PostfixReceiver, EximReceiver])
def test_tor_and_the_mail_server_disagree(make_site, kind):
    """About the PROXY protocol: then nothing is taken, and nothing is relayed."""
    site = make_site(kind).connect_tor(proxy=not kind.proxy)
    with pytest.raises((smtplib.SMTPException, OSError)):
        with site.session() as session:
            session.sendmail(FOREIGN, OWN, "Subject: x\n\n")
    assert site.home.connections == 0
    site.nothing_relayed()
