"""Clients of the three protocols. They are strict: a reply that isn't exactly what the
protocol allows fails the test.

As a program (python3 -m harness.clients ADDRESS PROTOCOL) it reads keys from standard
input and writes an outcome and a value for each."""

import re
import socket
import sys
from typing import NamedTuple
from urllib.parse import quote, unquote

from .proc import SLACK

ROUTE, NONE, TEMP, FAIL, PERM = "ROUTE", "NONE", "TEMP", "FAIL", "PERM"

TIMEOUT = 20 * SLACK

HOSTLIST = re.compile(r"\d+\.\d+\.\d+\.\d+(::\d+)?(:\d+\.\d+\.\d+\.\d+(::\d+)?)*")
NEXTHOP = re.compile(r"[A-Za-z0-9_-]+:\[[a-z0-9._-]+\]:\d+(, \[[a-z0-9._-]+\]:\d+)*")


class Answer(NamedTuple):
    outcome: str
    value: str = ""

    def targets(self):
        """[(host, port)...] of a ROUTE, whatever its form."""
        assert self.outcome == ROUTE, self
        if "[" in self.value:
            found = re.findall(r"\[([^]]+)\]:(\d+)", self.value)
        else:
            found = re.findall(r"([\d.]+)(?:::(\d+))?", self.value)
        return [(host, int(port or 25)) for host, port in found]

    def hosts(self):
        return [host for host, _ in self.targets()]


def connect(address, timeout=TIMEOUT):
    """A connection to "unix:PATH", "HOST:PORT" or "[V6]:PORT"."""
    if address.startswith("unix:"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(address[5:])
    else:
        host, port = address.rsplit(":", 1)
        s = socket.create_connection((host.strip("[]"), int(port)))
    s.settimeout(timeout)
    return s


def read_all(s):
    """Until the daemon closes."""
    data = b""
    while True:
        try:
            chunk = s.recv(65536)
        except ConnectionResetError:
            return data
        if not chunk:
            return data
        data += chunk


def parse_readsocket(line):
    text = line.decode("ascii")
    assert re.fullmatch(r"(OK|TEMP|FAIL) [ -~]+\n|NO\n", text), line
    word, _, value = text[:-1].partition(" ")
    assert word != "OK" or HOSTLIST.fullmatch(value), line
    return Answer({"OK": ROUTE, "NO": NONE}.get(word, word), value)


def parse_tcp_table(line):
    text = line.decode("ascii")
    assert re.fullmatch(r"(200|400|500) [!-~]+\n", text) and len(line) <= 4096, line
    code, value = text[:3], unquote(text[4:-1])
    if code == "200":
        return _transport(value, line)
    return Answer({"500": NONE, "400": TEMP}[code], value)


def parse_socketmap(payload):
    word, space, value = payload.decode("ascii").partition(" ")
    assert space, payload
    if word == "OK":
        return _transport(value, payload)
    assert word in ("TEMP", "PERM") or payload == b"NOTFOUND ", payload
    return Answer({"NOTFOUND": NONE}.get(word, word), value)


def _transport(value, raw):
    if value.startswith("retry:4.4.3 onion route: "):
        return Answer(TEMP, value[25:])
    if value.startswith("error:5.4.4 "):
        return Answer(FAIL, value[12:])
    assert NEXTHOP.fullmatch(value), raw
    return Answer(ROUTE, value)


class Readsocket:
    """One question a connection, so each has one of its own."""

    def __init__(self, address, half_close=True):
        self.address = address
        self.half_close = half_close

    def ask(self, key):
        with connect(self.address) as s:
            s.sendall(self.request(key))
            if self.half_close:
                s.shutdown(socket.SHUT_WR)
            return parse_readsocket(read_all(s))

    @staticmethod
    def request(key):
        return b"route " + as_bytes(key) + b"\n"

    @staticmethod
    def read(s):
        """The answer on a connection that the caller opened."""
        return parse_readsocket(read_all(s))

    def close(self):
        pass


class _Stream:
    """A connection that stays open."""

    def __init__(self, address):
        self.address = address
        self.socket = None

    def ask(self, key):
        if self.socket is None:
            self.socket = connect(self.address)
            self.file = self.socket.makefile("rb")
        self.socket.sendall(self.request(key))
        return self.next_answer(self.file)

    @classmethod
    def read(cls, s):
        with s.makefile("rb") as file:
            return cls.next_answer(file)

    def close(self):
        if self.socket is not None:
            self.file.close()
            self.socket.close()
            self.socket = None


class TcpTable(_Stream):
    @staticmethod
    def request(key):
        return b"get " + quote(as_bytes(key), safe="@!#$&'*+-/=?^_`{|}~\"").encode() + b"\n"

    @staticmethod
    def next_answer(file):
        return parse_tcp_table(file.readline())


class Socketmap(_Stream):
    @staticmethod
    def request(key, name="onion"):
        payload = name.encode() + b" " + as_bytes(key)
        return b"%d:%s," % (len(payload), payload)

    @staticmethod
    def next_answer(file):
        length = b""
        while not length.endswith(b":"):
            byte = file.read(1)
            assert byte, "closed without an answer"
            length += byte
        payload = file.read(int(length[:-1]))
        assert file.read(1) == b",", payload
        return parse_socketmap(payload)


class Policy(_Stream):
    """As smtpd asks at RCPT. There is nothing in an answer, so it is None."""

    @staticmethod
    def request(key, state="RCPT"):
        head = f"request=smtpd_access_policy\nprotocol_state={state}\nsender=\n"
        return head.encode() + b"recipient=" + as_bytes(key) + b"\n\n"

    @staticmethod
    def next_answer(file):
        answer = file.readline() + file.readline()
        assert answer == b"action=DUNNO\n\n", answer


CLIENTS = {
    "readsocket": Readsocket,
    "tcp_table": TcpTable,
    "socketmap": Socketmap,
    "policy": Policy,
}


def as_bytes(key):
    return key.encode() if isinstance(key, str) else key


def main():
    client = CLIENTS[sys.argv[2]](sys.argv[1])
    for line in sys.stdin:
        try:
            print(*client.ask(line.strip()), flush=True)
        except (OSError, AssertionError) as error:
            client.close()
            print("ERROR", error, flush=True)


if __name__ == "__main__":
    main()
