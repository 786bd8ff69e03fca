"""A network that loses and delays datagrams, between the daemon and its resolver.

Its fate is drawn for each time that a name is asked for, from the seed: it doesn't
depend on the order in which the questions come. It is a process of its own, so that
what it does doesn't disturb what the test measures; its log has a line for each
question."""

import heapq
import random
import selectors
import socket
import struct
import sys
import time
from collections import Counter
from typing import NamedTuple

from . import dnsmsg
from .proc import LOOPBACK, REPO, Process, free_port

RECEIVE_BUFFER = 4 << 20  # what is lost is lost on purpose

PASS, DROP, DELAY = "pass", "drop", "delay"


class Seen(NamedTuple):
    name: str
    qtype: int
    flags: int
    fate: str


class Lossy(Process):
    """Stands for the resolver: give it to the daemon instead. Of the questions it drops
    a part, of the answers it delays a part by some seconds."""

    def __init__(self, workdir, resolver, drop=0, delay=0, seconds=0, seed=0):
        self.host, self.port = LOOPBACK, free_port()
        args = ["env", f"PYTHONPATH={REPO}/tests", sys.executable, "-B", "-m", __name__]
        args += [self.address, resolver.address, drop, delay, seconds, seed]
        super().__init__(args, workdir / "lossy.log")

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def start(self):
        super().start()
        self.ready(lambda: "ready\n" in self.output())
        return self

    def quiet_for(self, seconds):
        """Has it been so long since the last question?"""
        return time.time() - self.log.stat().st_mtime > seconds

    def seen(self):
        lines = self.output().partition("ready\n")[2].split("\n")[:-1]
        rows = [line.split(" ") for line in lines]
        return [Seen(name, int(t), int(flags, 16), fate) for name, t, flags, fate in rows]


class Relay:
    """UDP only."""

    def __init__(self, address, resolver, drop, delay, seconds, seed):
        self.drop, self.delay, self.seconds, self.seed = drop, delay, seconds, seed
        self.times = Counter()  # that each name was asked for
        self.clients = {}  # by the id and the question
        self.late = []
        self.front = self.socket()
        self.front.bind(pair(address))
        self.back = self.socket()
        self.back.connect(pair(resolver))
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.front, selectors.EVENT_READ, self.ask)
        self.selector.register(self.back, selectors.EVENT_READ, self.answer)

    @staticmethod
    def socket():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        s.setblocking(False)
        return s

    def fate(self, question):
        self.times[question] += 1
        chance = random.Random(f"{self.seed} {question} {self.times[question]}").random()
        if chance < self.drop:
            return DROP
        return DELAY if chance < self.drop + self.delay else PASS

    def ask(self):
        message, client = self.front.recvfrom(65535)
        name, end = dnsmsg.read_name(message, 12)
        ident, flags = struct.unpack_from("!HH", message)
        (qtype,) = struct.unpack_from("!H", message, end)
        fate = self.fate((name, qtype))
        print(f"{name} {qtype} {flags:04x} {fate}", flush=True)
        if fate != DROP:
            wait = self.seconds if fate == DELAY else 0
            self.clients[ident, message[12 : end + 4]] = client, wait
            self.back.send(message)

    def answer(self):
        message = self.back.recv(65535)
        _, end = dnsmsg.read_name(message, 12)
        key = struct.unpack_from("!H", message)[0], message[12 : end + 4]
        client, wait = self.clients.pop(key)
        if wait:
            due = time.monotonic() + wait
            heapq.heappush(self.late, (due, message, client))
        else:
            self.front.sendto(message, client)

    def deliver_late(self):
        while self.late and self.late[0][0] <= time.monotonic():
            _, message, client = heapq.heappop(self.late)
            self.front.sendto(message, client)

    def run(self):
        print("ready", flush=True)
        while True:
            pause = self.late[0][0] - time.monotonic() if self.late else None
            for key, _ in self.selector.select(pause and max(pause, 0)):
                try:
                    key.data()
                except OSError:
                    pass  # nobody listens there any more
            self.deliver_late()


def pair(address):
    host, port = address.rsplit(":", 1)
    return host, int(port)


if __name__ == "__main__":
    Relay(*sys.argv[1:3], *map(float, sys.argv[3:6]), sys.argv[6]).run()
