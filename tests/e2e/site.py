"""A sending site and the servers it sends to, all of them real: Exim and Postfix with
the recipes of conf/, the daemon, DNS, and onion services of a private Tor network.

    world = World(lab, namespace, tornet, stack)
    [far] = world.boxes(far=PostfixBox)
    world.ready(domain("far.example", (10, 25, far.onion)))
    sender = world.exim()                             # or world.postfix()
    sender.send(text := message("user@far.example"), "user@far.example")
    sender.deliver()
    assert len(far.copies(text)) == 1
    world.nothing_by_clearnet()
"""

import email
import os
import re
import shutil
import subprocess
import time
import uuid
from pathlib import Path
from typing import NamedTuple

from harness.daemon import listeners_in
from harness.proc import LOOPBACK, SLACK, Process, free_port, wait_until
from harness.unbound import Unbound, srv
from peers.conf import listener_in, snippet
from peers.exim import EXIM, SENDER, Exim
from peers.postfix import Postfix, bridge_main, transport_maps
from peers.sink import Sink

from . import watch

# The mail server that DNS has for every domain. Mail that goes there went by clearnet.
CLEARNET = "127.0.0.25"

# Where conf/ has the listeners that answer with the bridge.
BRIDGE_SNIPPETS = {
    "readsocket": "exim/bridge-transport",
    "socketmap": "postfix/bridge-main.cf",
}

# How long a message may take: some tries of an onion service.
LIMIT = 40


class Place(NamedTuple):
    host: str
    port: int


class Mail(NamedTuple):
    """A file of a mailbox: the envelope, and all that is in it."""

    sender: str
    recipient: str
    text: bytes


def message(recipient, body=b"Hello.\n"):
    """A message like no other, with all headers that a mail server would add."""
    head = (
        f"Date: Thu, 01 Jan 2026 12:00:00 +0000\n"
        f"From: {SENDER}\n"
        f"To: {recipient}\n"
        f"Subject: test\n"
        f"Message-Id: <{uuid.uuid4()}@site.example>\n\n"
    )
    return head.encode() + body


def domain(name, *targets):
    """The records of a domain: its server on the ordinary Internet, and its onion
    services: (priority, port, onion name)."""
    assert name.endswith(".example")
    relative = name.removesuffix(".example")
    text = f"{relative} MX 10 clearnet\n{relative} A {CLEARNET}\n"
    rows = [(priority, 0, port, host) for priority, port, host in targets]
    return text + srv(relative, *rows)


class Dns(Unbound):
    """It remembers what it was asked."""

    def __init__(self, workdir, records, **options):
        records = f"clearnet A {CLEARNET}\n" + records
        super().__init__(workdir, records, port=53, **options)
        with open(self.dir / "conf", "a") as conf:
            conf.write("server:\n    log-queries: yes\n")

    def queries(self):
        """(name, type) in the order of the questions."""
        found = re.findall(r"info: 127\.\S+ (\S+)\. (\S+) IN$", self.output(), re.M)
        return [(name.lower(), kind) for name, kind in found if name != "probe.example"]


def wait_for(server, condition, what, limit=LIMIT):
    """If that is in vain, the server's log tells why."""
    try:
        return wait_until(condition, what, limit)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{server.log()}") from error


# Receiving


class Box:
    """A mail server that takes everything, and a mailbox (a maildir) which it fills.
    onion is the name of its service, whose port 25 leads to it."""

    def _make_maildir(self, path, user):
        self.maildir = path
        path.mkdir(mode=0o700, parents=True)
        shutil.chown(path, user)

    def mails(self):
        """What is in the mailbox."""
        return [self._read(path) for path in sorted(self.maildir.glob("new/*"))]

    def copies(self, text):
        """Those that end with a message byte for byte. Servers add headers above."""
        return [mail for mail in self.mails() if mail.text.endswith(b"\n" + text)]

    def wait_for(self, text, limit=LIMIT):
        """The first copy of a message."""
        wait_for(self, lambda: self.copies(text), "a message", limit)
        return self.copies(text)[0]

    def wait_for_one(self, text, limit=LIMIT):
        """That copy, and there is no other."""
        self.wait_for(text, limit)
        wait_for(self, lambda: not self.queue(), "the server to finish")
        [mail] = self.copies(text)
        return mail

    @staticmethod
    def _read(path):
        text = path.read_bytes()
        head = email.message_from_bytes(text)
        recipient = head["X-Original-To"] or head["Envelope-To"]
        return Mail(head["Return-Path"].strip("<>"), recipient, text)


def places(world):
    """Where a receiving server would send something, which it doesn't."""
    return {"socks": world.clearnet, "home": world.home, "clearnet": world.clearnet}


class OwnPostfix(Postfix):
    """Of settings of the same name the last one is left: those of a test win over those
    that every Postfix of the tests has, and Postfix doesn't complain."""

    def configure(self, main="", master=None):
        super().configure(main, master)
        path = self.etc / "main.cf"
        entries = re.findall(r"^\S.*\n(?:[ \t].*\n)*", path.read_text(), re.M)
        last = {entry.partition("=")[0].strip(): entry for entry in entries}
        path.write_text("".join(last.values()))
        os.utime(path, (0, 0))
        return self


POSTFIX_BOX = """\
message_size_limit = 40000000
myhostname = {name}.mx.example
mydestination =
relayhost =
virtual_mailbox_domains = static:all
virtual_mailbox_base = {dir}
virtual_mailbox_maps = static:maildir/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
"""


class PostfixBox(Box, OwnPostfix):
    def __init__(self, workdir, name, world):
        super().__init__(workdir, name=name, **places(world))
        self._make_maildir(self.dir / "maildir", "nobody")
        main = POSTFIX_BOX.format(name=name, dir=self.dir)
        self.configure(main, "virtual unix - n n - - virtual\n")


# Exim checks a client that has the server's own name in DNS.
EXIM_BOX_MAIN = """\
primary_hostname = {name}.mx.example
deliver_drop_privilege
local_interfaces = {host}
daemon_smtp_ports = {port}
"""

EXIM_BOX_ROUTER = """\
mailbox:
  driver = accept
  transport = mailbox
"""

EXIM_BOX_TRANSPORT = """\
mailbox:
  driver = appendfile
  directory = {maildir}
  maildir_format
  envelope_to_add
  return_path_add
"""


class EximBox(Box, Exim):
    def __init__(self, workdir, name, world):
        directory = Path(workdir) / name
        directory.mkdir()
        self._make_maildir(directory / "maildir", "Debian-exim")
        super().__init__(
            directory,
            "",
            **places(world),
            router=EXIM_BOX_ROUTER,
            transport=EXIM_BOX_TRANSPORT.format(maildir=self.maildir),
        )
        self.host, self.port = LOOPBACK, free_port()
        own = EXIM_BOX_MAIN.format(name=name, host=self.host, port=self.port)
        text = self.config.read_text()
        old = "primary_hostname = mail.site.example\n"
        assert old in text
        self.config.write_text(text.replace(old, own))
        args = [EXIM, "-C", self.config, "-bdf", "-oP", directory / "pid"]
        self._daemon = Process(args, directory / "log")

    def start(self):
        self._daemon.start()
        self._daemon.ready(lambda: "listening for SMTP" in self.log())
        return self

    def stop(self):
        self._daemon.stop()


# Sending

BY_DNS = """\
by_dns:
  driver = dnslookup
  domains = ! +local_domains
  transport = plain_smtp
  self = send
  no_more

"""


def submit(*command, text):
    done = subprocess.run(
        [str(word) for word in command],
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60 * SLACK,
    )
    assert done.returncode == 0, done.stdout


class EximSender(Exim):
    """The routers of conf/, and one that goes by DNS after them. transport: a text in
    place of conf/'s."""

    def send(self, text, *recipients):
        """Takes a message, and tries once to deliver it."""
        args = ("-odf", "-oi", "-f", SENDER, *recipients)
        submit(EXIM, "-C", self.config, *args, text=text)

    def deliver(self, limit=LIMIT):
        """Tries until nothing is left."""

        def over():
            if self.queue():
                self.run_queue()
            return not self.queue()

        wait_for(self, over, "the queue to be empty", limit)


class PostfixSender(OwnPostfix):
    def send(self, text, *recipients):
        """Puts a message into the queue; it is tried at once."""
        args = ("-C", self.etc, "-i", "-f", SENDER, *recipients)
        submit("/usr/sbin/sendmail", *args, text=text)

    def deliver(self, limit=LIMIT):
        """Tries until nothing is left."""

        flushed = 0.0

        def over():
            nonlocal flushed
            waits = any((self.dir / "queue/deferred").glob("*/*"))
            if waits and time.monotonic() > flushed + 1:
                self.flush()
                flushed = time.monotonic()
            return not self.queue()

        wait_for(self, over, "the queue to be empty", limit)


class World:
    """All of a test: what is out there, and the sending site. stack: an ExitStack that
    ends with it. bridge: how the site sends. In the network namespace all ports are free,
    so that the torrc of conf/ is taken as it is."""

    def __init__(self, lab, namespace, tornet, stack, bridge=False):
        self.lab = lab
        self.bridge = bridge
        self.namespace = namespace
        self.tornet = tornet
        self._stack = stack
        self._watch = stack.enter_context(watch.Watch())
        self._unroutable = watch.unroutable()
        # home takes the sending site's own mail, bounces too.
        self.home = self.run(Sink())
        self.clearnet = self.run(Sink(CLEARNET, 25))
        self.client = tornet.client("client", torrc=snippet("torrc"))
        self.service = self.dns = self.daemon = None

    def run(self, thing):
        """Starts something that ends with the test."""
        self._stack.callback(thing.stop)
        thing.start()
        return thing

    def boxes(self, **kinds):
        """A mail server of each kind, and onion services of these names. Nothing listens
        behind their port 26. To a port that it doesn't know a service answers by closing
        the circuit, and all connections on it."""
        boxes = {name: kind(self.lab.dir, name, self) for name, kind in kinds.items()}
        self.service = self.tornet.service(
            "mx",
            {
                name: {"ports": {25: f"{box.host}:{box.port}", 26: f"{box.host}:1"}}
                for name, box in boxes.items()
            },
        )
        for name, box in boxes.items():
            box.onion = self.service.hostname(name)
            self.run(box)
        return list(boxes.values())

    def unpublished(self):
        """The onion name of a key that nobody serves. It must be a real one: tor looks
        at that before it looks for the service."""
        self.client.ready(self.client.listens)
        option = "NEW:ED25519-V3 Flags=DiscardPK Port=25"
        name = self.client.control.command(f"ADD_ONION {option}")[0].partition("=")[2]
        self.client.control.command(f"DEL_ONION {name}")
        return f"{name}.onion"

    def ready(self, records="", zone=None, **settings):
        """Starts DNS and the daemon, and waits for the Tor network. zone: options of the
        zone."""
        self.dns = self.run(Dns(self.lab.dir, records, **(zone or {})))
        self.namespace.nameserver(LOOPBACK)
        self.tornet.wait()
        listeners = listeners_in(self.lab.dir)
        if self.bridge:
            for name, file in BRIDGE_SNIPPETS.items():
                listeners[name] |= listener_in(file, listeners[name]["address"])
            (self.lab.dir / "state").mkdir()
            settings = {"state_dir": f"{self.lab.dir}/state", **settings}
        self.daemon = self.lab.daemon(
            listeners, dns=self.dns, tor=self.client, **settings
        )

    def exim(self, name="sender", transport=None, **options):
        """An Exim that sends."""
        directory = self.lab.dir / name
        directory.mkdir()
        if self.bridge and not transport:
            transport = snippet("exim/bridge-transport")
        return EximSender(
            directory,
            self.daemon.unix_path("readsocket"),
            socks=Place(*self.client.socks),
            home=self.home,
            clearnet=self.clearnet,
            router=snippet("exim/router") + BY_DNS,
            transport=transport,
            **options,
        )

    def postfix(self, name="sender", extra=""):
        """A running Postfix that sends."""
        postfix = PostfixSender(
            self.lab.dir,
            name=name,
            socks=Place(*self.client.socks),
            home=self.home,
            clearnet=self.clearnet,
        )
        path = self.daemon.unix_path("socketmap")
        lines = bridge_main(path) if self.bridge else transport_maps("proxy", path)
        master = "" if self.bridge else None
        postfix.configure(lines + "relayhost =\n" + extra, master)
        # What is chrooted has its own.
        resolv = postfix.dir / "queue/etc/resolv.conf"
        resolv.parent.mkdir()
        shutil.copy("/etc/resolv.conf", resolv)
        return self.run(postfix)

    def nothing_by_clearnet(self):
        """No connection, no question but for onion services, nothing that left."""
        assert self.clearnet.connections == 0
        asked = self.dns.queries()
        others = [q for q in asked if not q[0].startswith("_onion-mx._tcp.")]
        assert not others, others
        assert not any(name.endswith("onion") for name, _ in asked), asked
        self.nothing_outside()

    def nothing_outside(self):
        """Every socket was on loopback, and nothing wanted to go elsewhere."""
        assert not self.strays()

    def strays(self):
        """What wasn't, or did."""
        extra = watch.unroutable() - self._unroutable
        return [*self._watch.strays, *([f"{extra} packets"] if extra else [])]
