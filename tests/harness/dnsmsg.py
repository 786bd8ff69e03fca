"""DNS messages by hand (RFC 1035), so that wrong ones can be made, too."""

import socket
import struct

A, NS, CNAME, SOA, MX, TXT, SRV, DNAME, OPT, TLSA = 1, 2, 5, 6, 15, 16, 33, 39, 41, 52
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
IN = 1


def name(text):
    """A name on the wire, uncompressed."""
    labels = [label.encode() for label in text.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def question(text, qtype):
    return name(text) + struct.pack("!HH", qtype, IN)


def record(owner, rtype, ttl, rdata):
    head = struct.pack("!HHIH", rtype, IN, ttl, len(rdata))
    return name(owner) + head + rdata


def srv(owner, ttl, priority, weight, port, target):
    """The target is a name, or bytes that are already on the wire."""
    if isinstance(target, str):
        target = name(target)
    return record(owner, SRV, ttl, struct.pack("!HHH", priority, weight, port) + target)


def soa(zone, ttl=300, minimum=300):
    rdata = name("ns." + zone) + name("hostmaster." + zone)
    rdata += struct.pack("!IIIII", 1, 3600, 600, 86400, minimum)
    return record(zone, SOA, ttl, rdata)


def opt(upper_rcode):
    """EDNS, with the eight upper bits of the rcode."""
    return b"\0" + struct.pack("!HHIH", OPT, 1232, upper_rcode << 24, 0)


def message(ident, asked, answer=(), authority=(), rcode=NOERROR, truncated=False):
    """A response. asked is the question section, from question() or from a query."""
    flags = 0x8180 | 0x0200 * truncated | rcode & 15
    extra = [opt(rcode >> 4)] if rcode > 15 else []
    sections = [answer, authority, extra]
    head = struct.pack("!HHHHHH", ident, flags, 1, *map(len, sections))
    return head + asked + b"".join(b"".join(section) for section in sections)


def query(text, qtype, ident=1):
    return struct.pack("!HHHHHH", ident, 0x0100, 1, 0, 0, 0) + question(text, qtype)


def read_name(message, at):
    """A name as text, and where it ends. Follows compression."""
    labels, end = [], None
    while message[at]:
        if message[at] & 0xC0:
            end = end or at + 2
            at = struct.unpack_from("!H", message, at)[0] & 0x3FFF
            continue
        labels.append(message[at + 1 : at + 1 + message[at]].decode())
        at += 1 + message[at]
    return ".".join(labels), end or at + 1


def ask(host, port, text, qtype, timeout=1.0):
    """Asks by UDP: the rcode and the addresses in the answer; None if none comes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        s.connect((host, port))
        try:
            s.send(query(text, qtype))
            reply = s.recv(65535)
        except OSError:
            return None
    return reply[3] & 15, list(_addresses(reply))


def _addresses(reply):
    count = struct.unpack_from("!H", reply, 6)[0]
    _, at = read_name(reply, 12)
    at += 4
    for _ in range(count):
        _, at = read_name(reply, at)
        rtype, _, _, length = struct.unpack_from("!HHIH", reply, at)
        at += 10
        if rtype == A:
            yield socket.inet_ntoa(reply[at : at + 4])
        at += length
