"""What has become of each message, and whether that is right. No I/O: what is judged has
been collected before."""

import collections
from typing import NamedTuple

# What can become of a message. Those of the first line are as they should be.
ONCE, TWICE, QUEUED = "once", "twice", "queued"
LOST, DOUBLED, CLEARNET = "lost", "doubled", "clearnet"
ELSEWHERE, DAMAGED, BOUNCED = "elsewhere", "damaged", "bounced"
BY_EXIM = "lost by Exim"

GOOD = (ONCE, TWICE, QUEUED, BY_EXIM)
BAD = (LOST, DOUBLED, CLEARNET, ELSEWHERE, DAMAGED, BOUNCED)

# The server that DNS has for the ordinary mail of every domain.
SINK = "clearnet"
TOR = "onion services"


class Mail(NamedTuple):
    """A message; no other has its recipient. servers: the names of those that may take
    it."""

    recipient: str
    servers: frozenset


class Copy(NamedTuple):
    """A file of a mailbox. taken_as: the receiving server's name of it, which is another
    for each transaction; sent_as: the sending server's; whole: it is what was sent."""

    recipient: str
    server: str
    taken_as: str
    sent_as: str
    whole: bool = True


class Facts(NamedTuple):
    """What was found in the end.

    queued: recipients of what waits in a queue. bounced: recipients of what was returned.
    doubts: for each of the sending server's names, how many deliveries ended without its
    knowing how: it was killed amid one, or the end of the data was never answered.
    retaken: for each recipient, how often the sending server was killed while it took the
    message into its queue. dropped: recipients of what Exim itself has dropped when the
    daemon was killed. leaks: what else went to clearnet, or wanted to."""

    copies: list
    queued: frozenset = frozenset()
    bounced: frozenset = frozenset()
    doubts: collections.Counter = collections.Counter()
    retaken: collections.Counter = collections.Counter()
    dropped: frozenset = frozenset()
    leaks: tuple = ()


def _transactions(copies):
    """For each name that the sender had for it, how often it was accepted. A server that
    is killed while it fills a mailbox stores twice what it has accepted once."""
    found = collections.defaultdict(set)
    for copy in copies:
        found[copy.sent_as].add((copy.server, copy.taken_as))
    return {sent_as: len(accepted) for sent_as, accepted in found.items()}


def judge(mail, copies, facts):
    """copies: those of this message."""
    strays = {copy.server for copy in copies} - mail.servers
    if strays:
        return CLEARNET if SINK in strays else ELSEWHERE
    if not all(copy.whole for copy in copies):
        return DAMAGED
    if mail.recipient in facts.bounced:
        return BOUNCED
    if not copies:
        if mail.recipient in facts.queued:
            return QUEUED
        return BY_EXIM if mail.recipient in facts.dropped else LOST
    accepted = _transactions(copies)
    if len(accepted) - 1 > facts.retaken[mail.recipient]:
        return DOUBLED
    if any(n - 1 > facts.doubts[sent_as] for sent_as, n in accepted.items()):
        return DOUBLED
    return ONCE if sum(accepted.values()) == 1 else TWICE


class Verdict(NamedTuple):
    """fates: recipient -> what has become of the message."""

    fates: dict
    leaks: tuple
    idle: tuple

    def count(self, fate):
        return sum(found == fate for found in self.fates.values())

    def bad(self):
        """The recipients of all that isn't as it should be."""
        return [name for name, fate in self.fates.items() if fate in BAD]

    def good(self):
        return not (self.bad() or self.leaks or self.idle)


def verdict(mails, facts):
    """idle: the two ways, by Tor and by clearnet, if nothing arrived that way, though
    something should have; then nothing was tested."""
    copies = collections.defaultdict(list)
    for copy in facts.copies:
        copies[copy.recipient].append(copy)
    fates = {m.recipient: judge(m, copies[m.recipient], facts) for m in mails}
    unknown = sorted(set(copies) - set(fates))
    ways = {m.recipient: SINK if SINK in m.servers else TOR for m in mails}
    used = {ways[name] for name, fate in fates.items() if fate in (ONCE, TWICE)}
    idle = tuple(sorted(set(ways.values()) - used))
    leaks = tuple(facts.leaks) + tuple(f"unknown: {name}" for name in unknown)
    return Verdict(fates, leaks, idle)


def table(rows):
    """rows: {"sender": ..., column: number...}, each with the same keys."""
    lines = [list(rows[0]), *[[str(value) for value in row.values()] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
        for line in lines
    )
