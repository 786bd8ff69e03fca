"""What the scripted DNS server can do. Each function makes a behaviour: a function
of a query that returns a list of (seconds to wait, message)."""

import struct
from typing import NamedTuple

from . import dnsmsg
from .onion import onion

CLOSE = object()


class Query(NamedTuple):
    ident: int
    name: str
    qtype: int
    asked: bytes  # the question section
    tcp: bool


def zone_of(query):
    return query.name.split(".", 2)[2] if query.name.count(".") > 2 else query.name


def message(query, **parts):
    return dnsmsg.message(query.ident, query.asked, **parts)


def records(query, targets, ttl, owner=None):
    """SRV records for (priority, weight, port, target)."""
    return [dnsmsg.srv(owner or query.name, ttl, *target) for target in targets]


def srv(*targets, ttl=300):
    return lambda q: [(0, message(q, answer=records(q, targets, ttl)))]


def one(seed, ttl=300):
    """One target on port 25."""
    return srv((10, 10, 25, onion(seed)), ttl=ttl)


def silence():
    return lambda q: []


def delay(seconds, behaviour):
    return lambda q: [(wait + seconds, reply) for wait, reply in behaviour(q)]


def close():
    """By TCP: closes the connection. By UDP: silence."""
    return lambda q: [(0, CLOSE)]


def rcode(code):
    return lambda q: [(0, message(q, rcode=code))]


def servfail():
    return rcode(dnsmsg.SERVFAIL)


def nxdomain(ttl=300, minimum=300):
    return absent(dnsmsg.NXDOMAIN, ttl, minimum)


def nodata(ttl=300, minimum=300):
    return absent(dnsmsg.NOERROR, ttl, minimum)


def absent(code, ttl=300, minimum=300):
    """Nothing but the zone's SOA, with any rcode."""

    def behaviour(q):
        soa = dnsmsg.soa(zone_of(q), ttl, minimum)
        return [(0, message(q, authority=[soa], rcode=code))]

    return behaviour


def absent_without_soa(code):
    """NXDOMAIN or NODATA without the SOA that proves it."""
    return lambda q: [(0, message(q, rcode=code))]


def absent_with_soa_of(zone):
    """NODATA with the SOA of a zone that has nothing to do with the question."""
    return lambda q: [(0, message(q, authority=[dnsmsg.soa(zone)]))]


def referral():
    """Neither answer nor SOA, only where to ask instead."""

    def behaviour(q):
        ns = dnsmsg.record(zone_of(q), dnsmsg.NS, 300, dnsmsg.name("ns.elsewhere.net"))
        return [(0, message(q, authority=[ns]))]

    return behaviour


def truncated(by_tcp):
    """TC by UDP; the other behaviour by TCP."""

    def behaviour(q):
        return by_tcp(q) if q.tcp else [(0, message(q, truncated=True))]

    return behaviour


def in_turn(*behaviours):
    """The first question gets the first, and so on; the last has all the rest."""
    left = list(behaviours)
    return lambda q: (left.pop(0) if len(left) > 1 else left[0])(q)


def with_tc(behaviour):
    """A whole answer that calls itself truncated."""
    mark = lambda reply: reply[:2] + bytes([reply[2] | 2]) + reply[3:]
    return lambda q: [(wait, mark(reply)) for wait, reply in behaviour(q)]


def always_truncated():
    return lambda q: [(0, message(q, truncated=True))]


def garbage():
    """The right id and then rubbish."""
    return lambda q: [(0, struct.pack("!H", q.ident) + b"\x81\x80" + b"\xff" * 200)]


def short():
    """Less than a header."""
    return lambda q: [(0, struct.pack("!H", q.ident) + b"\x81\x80")]


def wrong_id(behaviour):
    return lambda q: behaviour(q._replace(ident=q.ident ^ 0x5555))


def wrong_type(behaviour):
    """The answer to another question: A of the same name."""
    asked = lambda q: dnsmsg.question(q.name, dnsmsg.A)
    return lambda q: behaviour(q._replace(asked=asked(q)))


def wrong_question(behaviour):
    """The answer to a question for another name."""
    asked = lambda q: dnsmsg.question("_onion-mx._tcp.other.example", q.qtype)
    return lambda q: behaviour(q._replace(asked=asked(q)))


def other_owner(targets, ttl=300):
    """The right question, but the records belong to another name."""
    owner = "_onion-mx._tcp.other.example"
    return lambda q: [(0, message(q, answer=records(q, targets, ttl, owner)))]


def one_record(rtype, rdata):
    """Whatever the type that was asked for."""
    answer = lambda q: [dnsmsg.record(q.name, rtype, 300, rdata)]
    return lambda q: [(0, message(q, answer=answer(q)))]


def a_records():
    """The right question, but A records in the answer."""
    return one_record(dnsmsg.A, bytes([10, 192, 0, 1]))


def mx(host):
    return one_record(dnsmsg.MX, struct.pack("!H", 10) + dnsmsg.name(host))


def by_type(behaviours):
    """Of the types that aren't there, the name has no records."""
    return lambda q: behaviours.get(q.qtype, nodata())(q)


def validated(behaviour):
    """With the AD bit."""
    mark = lambda reply: reply[:3] + bytes([reply[3] | 0x20]) + reply[4:]
    return lambda q: [(wait, mark(reply)) for wait, reply in behaviour(q)]


def cname_chain(length, targets, ttl=300):
    def behaviour(q):
        names = [q.name] + [f"alias{i}.example" for i in range(length)]
        links = [
            dnsmsg.record(a, dnsmsg.CNAME, ttl, dnsmsg.name(b))
            for a, b in zip(names, names[1:])
        ]
        return [(0, message(q, answer=links + records(q, targets, ttl, names[-1])))]

    return behaviour


def dname_alone(code):
    """The name is elsewhere, but the CNAME that would say where is missing."""

    def behaviour(q):
        zone = zone_of(q)
        dname = dnsmsg.record(zone, dnsmsg.DNAME, 300, dnsmsg.name("elsewhere.net"))
        soa = dnsmsg.soa(zone)
        return [(0, message(q, answer=[dname], authority=[soa], rcode=code))]

    return behaviour


def cname_loop():
    def behaviour(q):
        there = dnsmsg.record(q.name, dnsmsg.CNAME, 300, dnsmsg.name("loop.example"))
        back = dnsmsg.record("loop.example", dnsmsg.CNAME, 300, dnsmsg.name(q.name))
        return [(0, message(q, answer=[there, back]))]

    return behaviour


def compressed(seeds):
    """Target names that point back to the first one (RFC 2782 forbids it to senders,
    but they exist)."""

    def behaviour(q):
        label = onion(seeds[0]).split(".")[0]
        first = dnsmsg.srv(q.name, 300, 10, 0, 25, onion(seeds[0]))
        at = 12 + len(q.asked) + len(first) - len(dnsmsg.name("onion"))
        rest = []
        for i, seed in enumerate(seeds[1:], 1):
            label = onion(seed).split(".")[0].encode()
            target = bytes([len(label)]) + label + struct.pack("!H", 0xC000 | at)
            rest.append(dnsmsg.srv(q.name, 300, 10 + i, 0, 25, target))
        return [(0, message(q, answer=[first, *rest]))]

    return behaviour


def many(count, seeds, first_port):
    """So many records that only TCP and compression can carry them: the targets in turn,
    ports counting up, the most preferred record last."""

    def behaviour(q):
        owner = struct.pack("!H", 0xC000 | 12)
        answer, at, places = [], 12 + len(q.asked), {}
        for i in range(count):
            seed = seeds[i % len(seeds)]
            target = places.get(seed, dnsmsg.name(onion(seed)))
            rdata = struct.pack("!HHH", count - i, 0, first_port + i) + target
            head = struct.pack("!HHIH", dnsmsg.SRV, dnsmsg.IN, 300, len(rdata))
            answer.append(owner + head + rdata)
            places.setdefault(seed, struct.pack("!H", 0xC000 | (at + 18)))
            at += len(answer[-1])
        return [(0, message(q, answer=answer))]

    return behaviour


def compression_loop():
    """A target name that points to itself."""

    def behaviour(q):
        head = len(dnsmsg.srv(q.name, 300, 10, 0, 25, b""))
        target = struct.pack("!H", 0xC000 | (12 + len(q.asked) + head))
        return [(0, message(q, answer=[dnsmsg.srv(q.name, 300, 10, 0, 25, target)]))]

    return behaviour


def cut_rdata(rdata):
    """An SRV record whose rdata is too short or has a name that is cut."""
    answer = lambda q: [dnsmsg.record(q.name, dnsmsg.SRV, 300, rdata)]
    return lambda q: [(0, message(q, answer=answer(q)))]


def cut_message(behaviour, by):
    """The end of the message is missing."""
    return lambda q: [(wait, reply[:-by]) for wait, reply in behaviour(q)]
