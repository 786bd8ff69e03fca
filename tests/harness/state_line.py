"""The lines of the daemon's state (include/core/state_line.h), made without the daemon."""

import time

# What stands before a domain in a line of the cache.
NAME = "_onion-mx._tcp."

KEY = 0x6F6E696F6E6D7864, 1
MASK = 2**64 - 1


def _rotl(x, bits):
    return (x << bits | x >> (64 - bits)) & MASK


def _round(a, b, c, d):
    a, c = (a + b) & MASK, (c + d) & MASK
    b, d = _rotl(b, 13) ^ a, _rotl(d, 16) ^ c
    a = (_rotl(a, 32) + d) & MASK
    c = (c + b) & MASK
    return a, _rotl(b, 17) ^ c, _rotl(c, 32), _rotl(d, 21) ^ a


def siphash13(data, key=KEY):
    k0, k1 = key
    a, b = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    c, d = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    last = data[len(data) & ~7 :].ljust(7, b"\0") + bytes([len(data) & 255])
    for at in range(0, len(data) + 1, 8):
        word = data[at : at + 8] if at + 8 <= len(data) else last
        word = int.from_bytes(word, "little")
        a, b, c, d = _round(a, b, c, d ^ word)
        a ^= word
    c ^= 255
    for _ in range(3):
        a, b, c, d = _round(a, b, c, d)
    return a ^ b ^ c ^ d


def line(text):
    """A text with its checksum and newline."""
    data = text.encode()
    return data + b" %016x\n" % siphash13(data)


def fact(kind, domain, when, *targets, ttl=0, rtype="SRV", dropped=0):
    """Targets are (priority, weight, port, onion name); none is an absence."""
    words = [kind, rtype, domain, int(when), ttl, "+" if targets else "-", "-", dropped]
    for target in targets:
        words += target
    return line(" ".join(map(str, words)))


def cached(domain, *targets, left=300, ttl=300):
    """left: seconds until its expiry; less than 0 after it."""
    return fact("cache", NAME + domain, time.time() + left, *targets, ttl=ttl)


def pin(domain, *targets, since=1, used=0):
    """used: the day of its last use; 0: not known."""
    return fact("pin", domain, since, *targets, ttl=used)


def held(domain, *targets, seen=1, lasted=0):
    """seen: when DNS last said so; lasted: how many seconds of the hold had passed then."""
    return fact("held", domain, seen, *targets, ttl=lasted)
