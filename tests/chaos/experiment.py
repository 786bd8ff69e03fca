"""One run: a sending server, messages, kills, and what is found in the end."""

import collections
import contextlib
import random
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Callable, NamedTuple

from e2e.netns import Namespace
from e2e.site import World, domain, message
from e2e.tornet import Network
from harness.lab import Lab
from harness.proc import SLACK, wait_until

from . import kills, servers
from .evidence import names_in, trace
from .servers import ReceivingExim, ReceivingPostfix, SendingExim, SendingPostfix
from .verdict import QUEUED, SINK, Copy, Facts, Mail, verdict

# How long it may take after the last kill until every queue is empty.
LIMIT = 300

# Seconds between two batches of messages, and how many are in one.
BETWEEN = (0.5, 4.0)
BATCH = (1, 8)

# How long the kills go on after the last message.
AFTER = 10

# What DNS says counts for so many seconds, whatever it is: it is asked again and again.
TTL = 5

KB = 1 << 10
SIZES = (KB, KB, KB, 50 * KB, 400 * KB)

CONTROL = ("plain.example", "minus.example")


class Site(NamedTuple):
    """make: a function of the world, which makes the server that sends. bridge: how it
    sends. boxes: the kinds of the servers that receive."""

    make: Callable
    bridge: bool
    boxes: tuple


TO_POSTFIX = (ReceivingPostfix, ReceivingPostfix, ReceivingExim)
TO_EXIM = (ReceivingExim, ReceivingExim, ReceivingPostfix)

SENDERS = {
    "exim": Site(SendingExim.make, True, TO_POSTFIX),
    "postfix": Site(SendingPostfix.make, True, TO_EXIM),
    "exim-socks": Site(SendingExim.make, False, TO_POSTFIX),
}


class Experiment:
    """journal: a function that is told what happens."""

    def __init__(self, lab, stack, name, seed, count, journal):
        self.lab = lab
        self.name = name
        self.site = SENDERS[name]
        self.count = count
        self.journal = journal
        self._random = {
            what: random.Random(f"{seed} {what}") for what in ("kills", "mail", "pace")
        }
        self._stack = stack
        self.texts = {}
        self.mails = []

    # What there is

    def set_up(self, spoil=False):
        """spoil: the map sends a domain to clearnet that has an onion service."""
        namespace = self._stack.enter_context(Namespace())
        tornet = self._stack.enter_context(Network(self.lab.dir / "tor")).build()
        bridge = self.site.bridge
        self.world = world = World(self.lab, namespace, tornet, self._stack, bridge=bridge)
        servers.note(world.clearnet)
        boxes = world.boxes(**dict(zip("abc", self.site.boxes)))
        self.boxes = dict(zip("abc", boxes))
        self._make_domains(*boxes)
        if spoil:
            self.map += "s1.example -\n"
        settings = {"min_ttl": 1, "max_stale": 3600, "cache_save": 5}
        zone = {"ttl": TTL, "negative_ttl": TTL}
        world.ready(self.records, zone, map=self.map, **settings)
        self.sender = self.site.make(world)
        self.daemon = kills.Daemon(world.daemon, self.sender)
        self.killer = kills.Killer(
            [
                [self.daemon],
                [kills.Victim("tor", world.client)],
                [kills.Victim("DNS", world.dns)],
                [kills.MailServer("the sender", self.sender)],
                [kills.MailServer(f"receiver {n}", box) for n, box in self.boxes.items()],
            ],
            self._random["kills"],
            self.journal,
        )

    def _make_domains(self, a, b, c):
        """Some are in the map, some in DNS, one is an onion name. Every one has a server
        of the ordinary Internet, too, which takes all that is sent there."""
        self.places = {
            "m1.example": "a",
            "m2.example": "b",
            "below.m3.example": "c",
            "m4.example": "b",
            "s1.example": "a",
            "s2.example": "b",
            "s3.example": "ac",
            "s4.example": "c",
            a.onion: "a",
            **dict.fromkeys(CONTROL, (SINK,)),
        }
        self.map = (
            f"m1.example {a.onion}\n"
            f"m2.example {b.onion}\n"
            f".m3.example {c.onion}\n"
            # Nothing is at that port.
            f"m4.example {a.onion}:26, {b.onion}\n"
            f"minus.example -\n"
        )
        routes = {
            "s1.example": [(10, 25, a.onion)],
            "s2.example": [(10, 25, b.onion)],
            "s3.example": [(10, 25, a.onion), (20, 25, c.onion)],
            "s4.example": [(10, 25, c.onion)],
        }
        names = [name for name in self.places if name.endswith(".example")]
        self.records = "".join(domain(name, *routes.get(name, ())) for name in names)

    def _make_mail(self, number):
        rng = self._random["mail"]
        place = rng.choice(list(self.places))
        local = f"{servers.SLOW if rng.random() < 0.3 else 'user'}{number}"
        recipient = f"{local}@{place}"
        line = rng.randbytes(35).hex().encode() + b"\n"
        body = line * (rng.choice(SIZES) // len(line))
        self.texts[recipient] = message(recipient, body)
        self.mails.append(Mail(recipient, frozenset(self.places[place])))
        return recipient

    # What happens

    def run(self):
        self.journal(f"{self.count} messages by {self.name}")
        pace = self._random["pace"]
        due = time.monotonic()
        while len(self.mails) < self.count:
            self.killer.step()
            if time.monotonic() >= due:
                due = time.monotonic() + pace.uniform(*BETWEEN)
                for _ in range(min(pace.randint(*BATCH), self.count - len(self.mails))):
                    self._submit()
            time.sleep(0.02)
        until = time.monotonic() + AFTER
        while time.monotonic() < until:
            self.killer.step()
            time.sleep(0.02)

    def _submit(self):
        recipient = self._make_mail(len(self.mails) + 1)
        self.sender.submit(self.texts[recipient], recipient)

    def heal(self):
        """Nothing is killed any more; all that waits is tried until nothing does, or for
        long."""
        wait_until(self.killer.heal, "all servers to be up", LIMIT)
        self.journal("all is up")
        end = time.monotonic() + LIMIT * SLACK
        while time.monotonic() < end:
            self.killer.check()
            if not self.sender.queue() and not any(b.queue() for b in self.boxes.values()):
                break
            for server in (self.sender, *self.boxes.values()):
                server.flush()
            time.sleep(1)
        self.journal(f"{len(self.sender.queue())} messages wait in the sender's queue")

    def remove_one(self):
        """As if a receiving server had lost it: one mail of a mailbox."""
        path = next(p for box in self.boxes.values() for p in box.maildir.glob("new/*"))
        self.journal(f"removed {path}")
        path.unlink()

    # What is found

    def facts(self):
        ids = self._message_ids()
        log = self.sender.log()
        doubts = log.doubts()
        retaken = collections.Counter()
        for kill in self.sender.kills:
            doubts.update(kill.delivering)
            text = b"\n".join(kill.untaken)
            retaken.update(r for i, r in ids.items() if i.encode() in text)
        names = {name: ids.get(i) for name, i in log.names().items()}
        dropped = self.daemon.dropped
        if not self.site.bridge:
            dropped = log.dropped(0, len(log.text))
        return Facts(
            copies=[*self._copies(), *self._sunk()],
            queued=frozenset(self._queued(names, ids)),
            bounced=frozenset(self._bounced(ids)),
            doubts=doubts,
            retaken=retaken,
            dropped=frozenset(names[name] for name in dropped if name in names),
            leaks=tuple(self._leaks()),
        )

    def verdict(self):
        return verdict(self.mails, self.facts())

    def explain(self, verdict):
        """Lines for what isn't as it should be; for a few, what the logs have of it."""
        for number, recipient in enumerate(verdict.bad()):
            yield f"{recipient}: {verdict.fates[recipient]}"
            if number >= 5:
                continue
            [message_id] = [i for i, r in self._message_ids().items() if r == recipient]
            for text in (self.sender.text(), *[b.log() for b in self.boxes.values()]):
                yield from trace(text, message_id)
        waiting = verdict.count(QUEUED)
        if waiting:
            yield f"{waiting} messages wait, with everything alive"
        yield from verdict.leaks
        yield from (f"nothing arrived by {way}" for way in verdict.idle)

    def _message_ids(self):
        """Message-Id -> recipient."""
        pattern = rb"^Message-Id: <(.*)>$"
        return {
            re.search(pattern, text, re.M)[1].decode(): recipient
            for recipient, text in self.texts.items()
        }

    def _copies(self):
        for name, box in self.boxes.items():
            for mail in box.mails():
                text = self.texts.get(mail.recipient, b"?")
                whole = mail.text.endswith(b"\n" + text)
                yield Copy(mail.recipient, name, *names_in(mail.text), whole)

    def _sunk(self):
        for number, mail in enumerate(self.world.clearnet.messages):
            data = mail.data.replace(b"\r\n", b"\n")
            for recipient in mail.recipients:
                whole = data.endswith(b"\n" + self.texts.get(recipient, b"?"))
                yield Copy(recipient, SINK, str(number), names_in(data)[1], whole)

    def _queued(self, names, ids):
        for name in self.sender.queue():
            yield names.get(name)
        for box in self.boxes.values():
            taken = box.messages()
            for name in box.queue():
                yield ids.get(taken.get(name))

    def _bounced(self, ids):
        for mail in self.world.home.messages:
            for i, recipient in ids.items():
                if i in mail.text:
                    yield recipient

    def _leaks(self):
        """Sessions and questions that a message which goes by Tor has no need for."""
        for recipient in sorted(self.world.clearnet.wanted):
            if recipient.partition("@")[2] not in CONTROL:
                yield f"{recipient}: a session with the server of clearnet"
        for name, kind in sorted(set(self.world.dns.queries())):
            plain = name in (*CONTROL, "clearnet.example")
            if not plain and not name.startswith("_onion-mx._tcp."):
                yield f"DNS was asked for {name} {kind}"
        for stray in self.world.strays():
            yield f"not on loopback: {stray}"


@contextlib.contextmanager
def laboratory(results):
    """A lab for a run. In the end its logs are moved into the directory of results."""
    workdir = Path(tempfile.mkdtemp(prefix="omx"))
    lab = Lab(workdir)
    try:
        workdir.chmod(0o755)
        yield lab
    finally:
        try:
            lab.close()
        finally:
            for pattern in ("*.log", "*/*.log", "*/log"):
                for path in workdir.glob(pattern):
                    name = str(path.relative_to(workdir)).replace("/", "-")
                    shutil.copy(path, results / name)
            shutil.rmtree(workdir, ignore_errors=True)
