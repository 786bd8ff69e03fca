"""A SOCKS 5 client (RFC 1928) that tells tor's extended errors."""

import socket
import struct

from harness.proc import SLACK

# Tor's socks-extensions.txt, with ExtendedErrors.
FAILED, REFUSED = 0x01, 0x05
NO_DESCRIPTOR, BAD_NAME = 0xF0, 0xF6


class SocksError(Exception):
    def __init__(self, code):
        super().__init__(f"SOCKS error 0x{code:02X}")
        self.code = code


def connect(proxy, host, port, user=None, timeout=60):
    """A connection to host, a name or an IPv4 address, through a proxy: (host, port).
    Other users get other circuits."""
    s = socket.create_connection(proxy, timeout * SLACK)
    try:
        _greet(s, user)
        try:
            where = b"\1" + socket.inet_aton(host)
        except OSError:
            where = b"\3" + bytes([len(host)]) + host.encode()
        s.sendall(b"\5\1\0" + where + struct.pack("!H", port))
        _, code, _, kind = _exactly(s, 4)
        if code != 0:
            raise SocksError(code)
        length = {1: 4, 4: 16}.get(kind) or _exactly(s, 1)[0]
        _exactly(s, length + 2)
    except BaseException:
        s.close()
        raise
    return s


def _greet(s, user):
    s.sendall(b"\5\1\2" if user else b"\5\1\0")
    method = _exactly(s, 2)[1]
    if method == 2:
        s.sendall(b"\1" + bytes([len(user)]) + user.encode() + b"\1-")
        assert _exactly(s, 2)[1] == 0, "authentication refused"
    else:
        assert method == 0, f"method {method}"


def _exactly(s, count):
    data = b""
    while len(data) < count:
        chunk = s.recv(count - len(data))
        if not chunk:
            raise OSError("the proxy hung up")
        data += chunk
    return data
