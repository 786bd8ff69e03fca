"""Onion names (rend-spec-v3, section 6)."""

import base64
import hashlib


def onion(seed):
    """A valid v3 name; the same seed gives the same name."""
    key = hashlib.sha256(str(seed).encode()).digest()
    return _name(key, _checksum(key))


def mistyped(seed):
    """A name of the right shape whose checksum is wrong."""
    key = hashlib.sha256(str(seed).encode()).digest()
    return _name(key, bytes(byte ^ 0xFF for byte in _checksum(key)))


def _checksum(key):
    return hashlib.sha3_256(b".onion checksum" + key + b"\x03").digest()[:2]


def _name(key, checksum):
    return base64.b32encode(key + checksum + b"\x03").decode().lower() + ".onion"
