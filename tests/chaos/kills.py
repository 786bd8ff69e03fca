"""Something is killed every few seconds, and started again after a pause."""

import collections
import itertools
import time

from e2e import watch
from harness.proc import running

# The bridge's port, by default.
PORT = 14525

# Seconds between two kills, and until what was killed is started again.
BETWEEN = (2.0, 5.0)
PAUSE = (0.0, 4.0)


class Victim:
    """A server that has kill(), launch() and up(), which says whether it has started."""

    def __init__(self, name, server):
        self.name = name
        self.server = server

    def alive(self):
        return self.server.alive()

    def kill(self):
        self.server.kill()

    def may_start(self):
        return True

    def launch(self):
        self.server.launch()

    def up(self):
        return self.server.up()


class MailServer(Victim):
    """Its processes are many, and each of them may end."""

    def alive(self):
        return self.server.up()


class Daemon(Victim):
    """onionmxd. dropped has the names of what Exim itself has dropped when the daemon was
    killed: Exim from 4.98 on does that when a connection is reset. That it was this, and
    nothing else, is certain because the daemon is started again only after the deliveries
    of then are over."""

    def __init__(self, daemon, sender):
        super().__init__("onionmxd", daemon)
        self.sender = sender
        self.dropped = set()
        self._deliveries = set()
        self._from = self._said = 0

    def kill(self):
        self.server.pause()
        bridged = {s.inode for s in watch.sockets() if s.remote.endswith(f" {PORT}")}
        self._deliveries = self.sender.deliveries(bridged)
        self._from = len(self.sender.text())
        self.server.kill()

    def may_start(self):
        return not any(map(running, self._deliveries))

    def launch(self):
        log = self.sender.log()
        self.dropped |= log.dropped(self._from, len(log.text))
        self._said = len(self.server.output())
        self.server.launch()

    def up(self):
        return "ready" in self.server.output()[self._said :]


class Killer:
    """groups: lists of victims. What is dead isn't killed again; otherwise all groups are
    as likely. random: a random.Random; the same one gives the same kills. journal(text) is
    called for each event."""

    def __init__(self, groups, random, journal):
        self.groups = groups
        self.kills = collections.Counter()
        self._random = random
        self._journal = journal
        self._dead = {}
        self._starting = set()
        self._next = time.monotonic() + self._random.uniform(*BETWEEN)

    def step(self):
        """What is due."""
        self._start(time.monotonic())
        if time.monotonic() >= self._next:
            self._kill()
            self._next = time.monotonic() + self._random.uniform(*BETWEEN)

    def check(self):
        """Whatever isn't dead lives."""
        for victim in itertools.chain(*self.groups):
            well = victim in self._dead or victim.alive()
            assert well, f"{victim.name} has ended by itself"

    def _kill(self):
        self.check()
        order = self._random.sample(self.groups, len(self.groups))
        order = [self._random.choice(group) for group in order]
        pause = self._random.uniform(*PAUSE)
        victim = next((v for v in order if v not in self._dead), None)
        if victim is None:
            return
        self._journal(f"kill {victim.name}, for {pause:.1f} s")
        victim.kill()
        self.kills[victim.name] += 1
        self._starting.discard(victim)
        self._dead[victim] = time.monotonic() + pause

    def _start(self, now):
        for victim in [v for v, when in self._dead.items() if now >= when]:
            if victim.may_start():
                del self._dead[victim]
                self._journal(f"start {victim.name}")
                victim.launch()
                self._starting.add(victim)
        # A tor that starts must be told to use the network, and so on.
        for victim in [v for v in self._starting if v.up()]:
            self._journal(f"{victim.name} is up")
            self._starting.remove(victim)

    def heal(self):
        """Starts all that is dead, at once. Returns whether all is up."""
        self._start(float("inf"))
        return not self._dead and not self._starting
