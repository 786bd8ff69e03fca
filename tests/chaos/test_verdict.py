"""The verdict can fail: mailboxes and logs that have been made up."""

import collections

import pytest

from .evidence import EximLog, PostfixLog, names_in, trace
from .verdict import (
    BOUNCED,
    BY_EXIM,
    CLEARNET,
    DAMAGED,
    DOUBLED,
    ELSEWHERE,
    LOST,
    ONCE,
    QUEUED,
    SINK,
    TWICE,
    Copy,
    Facts,
    Mail,
    table,
    verdict,
)

FAR, PLAIN = "1@far.example", "2@plain.example"

MAILS = [Mail(FAR, frozenset("ab")), Mail(PLAIN, frozenset((SINK,)))]

COPY = Copy(FAR, "a", "R1", "S1")
OTHER = COPY._replace(taken_as="R2")
SUNK = Copy(PLAIN, SINK, "0", "S2")


def fate(*copies, **facts):
    """What has become of the first message."""
    return verdict(MAILS, Facts([*copies, SUNK], **facts)).fates[FAR]


def test_all_is_well():
    found = verdict(MAILS, Facts([COPY, SUNK]))
    assert found.fates == {FAR: ONCE, PLAIN: ONCE}
    assert found.good() and not found.bad()


def test_one_that_is_nowhere_is_lost():
    found = verdict(MAILS, Facts([SUNK]))
    assert found.fates == {FAR: LOST, PLAIN: ONCE}
    assert found.bad() == [FAR] and not found.good()


def test_one_that_waits_is_not_lost():
    assert fate(queued=frozenset([FAR])) == QUEUED
    assert fate(queued=frozenset([PLAIN])) == LOST


def test_one_that_exim_dropped_is_not_our_loss():
    assert fate(dropped=frozenset([FAR])) == BY_EXIM
    assert fate(COPY, dropped=frozenset([FAR])) == ONCE


def test_one_that_was_returned_is_lost_too():
    assert fate(bounced=frozenset([FAR])) == BOUNCED
    assert fate(COPY, bounced=frozenset([FAR])) == BOUNCED


def test_clearnet():
    assert fate(Copy(FAR, SINK, "1", "S1")) == CLEARNET
    assert fate(COPY, Copy(FAR, SINK, "1", "S1")) == CLEARNET
    assert not verdict(MAILS, Facts([COPY, SUNK], leaks=("a question",))).good()


def test_another_domains_server():
    assert fate(COPY._replace(server="c")) == ELSEWHERE
    assert fate(COPY._replace(server="b")) == ONCE


def test_not_as_it_was_sent():
    assert fate(COPY._replace(whole=False)) == DAMAGED
    assert fate(COPY, OTHER._replace(whole=False)) == DAMAGED


def test_two_copies_need_a_reason():
    doubts = collections.Counter
    assert fate(COPY, OTHER) == DOUBLED
    assert fate(COPY, OTHER, doubts=doubts(S2=1)) == DOUBLED
    assert fate(COPY, OTHER, doubts=doubts(S1=1)) == TWICE
    assert fate(COPY, OTHER._replace(server="b"), doubts=doubts(S1=1)) == TWICE
    third = COPY._replace(taken_as="R3")
    assert fate(COPY, OTHER, third, doubts=doubts(S1=1)) == DOUBLED
    assert fate(COPY, OTHER, third, doubts=doubts(S1=2)) == TWICE


def test_a_receiver_may_store_twice_what_it_took_once():
    assert fate(COPY, COPY) == ONCE
    assert fate(COPY, COPY._replace(server="b")) == DOUBLED


def test_a_sender_may_take_twice_what_it_was_killed_taking():
    again = COPY._replace(sent_as="S3", taken_as="R2")
    assert fate(COPY, again) == DOUBLED
    assert fate(COPY, again, retaken=collections.Counter({FAR: 1})) == TWICE


def test_what_nobody_sent_is_a_leak():
    assert not verdict(MAILS, Facts([COPY, SUNK, COPY._replace(recipient="x")])).good()


def test_an_experiment_in_which_nothing_arrived_is_none():
    found = verdict(MAILS, Facts([COPY], queued=frozenset([PLAIN])))
    assert not found.bad() and found.idle == (SINK,) and not found.good()


def test_table():
    rows = [{"sender": "exim", "once": 1}, {"sender": "postfix", "once": 250}]
    assert table(rows) == "sender   once\nexim        1\npostfix   250"


# The logs

HOST = "127.42.1.2[127.42.1.2]"
POSTFIX = f"""\
Nov 27 23:00:01 mail postfix/cleanup[1]: 4A1: message-id=<one@site.example>
Nov 27 23:00:01 mail postfix/smtp[2]: 4A1: to=<1@far.example>, relay={HOST}:14525, \
delay=1, delays=0/0/0/1, dsn=4.4.2, status=deferred (lost connection with {HOST} while \
sending end of data -- message may be sent more than once)
Nov 27 23:00:02 mail postfix/smtp[2]: 4A1: conversation with {HOST} timed out while \
sending end of data -- message may be sent more than once
Nov 27 23:00:02 mail postfix/smtp[2]: 4A1: to=<1@far.example>, relay=none, delay=1, \
delays=0/0/0/1, dsn=4.4.1, status=deferred (connect to {HOST}:14525: Connection refused)
Nov 27 23:00:03 mail postfix/cleanup[1]: 4A2: message-id=<two@site.example>
Nov 27 23:00:03 mail postfix/smtp[2]: 4A2: to=<2@far.example>, relay={HOST}:14525, \
delay=1, delays=0/0/0/1, dsn=4.4.2, status=deferred (host {HOST} said: 421 4.4.2 \
connection to the onion service lost (in reply to end of DATA command))
Nov 27 23:00:04 mail postfix/cleanup[1]: 4A3: message-id=<three@site.example>
Nov 27 23:00:04 mail postfix/smtp[2]: 4A3: to=<3@far.example>, relay={HOST}:14525, \
delay=1, delays=0/0/0/1, dsn=4.3.0, status=deferred (host {HOST} said: 451 4.3.0 queue \
file write error (in reply to end of DATA command))
Nov 27 23:00:05 mail postfix/smtp[2]: 4A3: lost connection with {HOST} while sending \
message body
"""

PEER = "127.42.1.2 [127.42.1.2]:14525"
NAME = "1xX4rQ-0008J{}-1C"
ONE, TWO, THREE, FOUR = (NAME.format(letter) for letter in "KRVX")
GONE = "421 4.4.2 connection to the onion service lost"
CLOSED = f"{PEER}: Remote host closed connection in response to"
EXIM = f"""\
2026-11-27 22:56:08 {ONE} <= sender@site.example U=root P=local S=9 id=one@site.example
2026-11-27 22:56:08 {TWO} <= sender@site.example U=root P=local S=9 id=two@site.example
2026-11-27 22:56:08 {THREE} <= sender@site.example U=root P=local S=9 id=3@site.example
2026-11-27 22:56:09 {ONE} H={CLOSED} end of data
2026-11-27 22:56:09 {ONE} == 1@far.example R=onion T=onion_smtp defer (-18) H={CLOSED} \
end of data
2026-11-27 22:56:10 {ONE} H={CLOSED} pipelined end of data
2026-11-27 22:56:10 {ONE} H={CLOSED} sending data block
2026-11-27 22:56:11 {TWO} H={PEER}: SMTP error from remote mail server after pipelined end \
of data: {GONE}
2026-11-27 22:56:11 {THREE} H={PEER}: SMTP error from remote mail server after end of data: \
451 4.3.0 queue file write error
2026-11-27 22:56:12 {ONE} => 1@far.example R=onion T=onion_smtp H={PEER} C="250 ok"
2026-11-27 22:56:12 {ONE} Completed
2026-11-27 22:56:12 {THREE} == 3@far.example R=onion T=onion_smtp defer (0): nothing
2026-11-27 22:56:12 {THREE} Completed
"""


def test_what_postfix_says():
    log = PostfixLog(POSTFIX)
    assert log.names()["4A2"] == "two@site.example"
    assert log.doubts() == {"4A1": 2, "4A2": 1}


@pytest.mark.parametrize("name", [ONE, "1xX4rQ-0000000008J-1C2d"])
def test_what_exim_says(name):
    """Its names are longer from 4.97 on."""
    log = EximLog(EXIM.replace(ONE, name))
    assert log.names()[name] == "one@site.example"
    assert log.doubts() == {name: 2, TWO: 1}


def test_what_exim_completed_without_a_delivery():
    """While the daemon was dead, or at another time."""
    log = EximLog(EXIM)
    middle = EXIM.index(f"{THREE} Completed")
    assert log.dropped(0, len(EXIM)) == {THREE}
    assert log.dropped(EXIM.rindex("\n", 0, middle) + 1, len(EXIM)) == {THREE}
    assert log.dropped(0, middle) == set()


def test_the_lines_of_one_message():
    assert len(list(trace(POSTFIX, "one@site.example"))) == 4
    assert len(list(trace(EXIM, "one@site.example"))) == 7


def test_names_of_a_copy():
    text = (
        b"Received: from mail.site.example (unknown [127.0.0.1])\n"
        b"\tby a.mx.example (Postfix) with ESMTP id 4F1;\n"
        b"\tFri, 27 Nov 2026 23:00:00 +0000 (UTC)\n"
        b"Received: from root by mail.site.example with local (Exim 4.96)\n"
        b"\t(envelope-from <sender@site.example>)\n"
        b"\tid 1xX4rQ-0008JK-1C\n"
        b"\tfor 1@far.example; Fri, 27 Nov 2026 23:00:00 +0000\n"
        b"Subject: test\n\nid none\n"
    )
    assert names_in(text) == ["4F1", "1xX4rQ-0008JK-1C"]
