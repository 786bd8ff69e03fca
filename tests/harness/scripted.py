"""A DNS server that does what it is told, for what a real one won't do.

    dns.on("x.example", behaviours.servfail())

A behaviour is a function of the query that returns replies: a list of
(seconds to wait, message). An empty list is silence. CLOSE as a message closes a TCP
connection. What nothing was said about is refused."""

import heapq
import selectors
import socket
import struct
import threading
import time
from typing import NamedTuple

from . import behaviours, dnsmsg
from .behaviours import CLOSE, Query
from .proc import LOOPBACK, free_port


class Seen(NamedTuple):
    name: str
    qtype: int
    tcp: bool
    port: int  # of who asked
    records: int  # beside the question: one for EDNS


class ScriptedDns:
    """UDP and TCP on one port, in a thread of its own."""

    def __init__(self, tcp=True, prefix="_onion-mx._tcp.", port=None, host=LOOPBACK):
        self.host, self.port = host, port or free_port()
        self.prefix = prefix
        self.seen = []
        self.root_seen = 0  # the daemon asks for it by itself
        self.root = None  # what to do then; None: as for any other name
        self._behaviour = {}
        self._below = {}
        self._timers = []
        self._clients = {}
        self._peers = {}
        self._selector = selectors.DefaultSelector()
        self._udp = self._listen(socket.SOCK_DGRAM)
        self._tcp = self._listen(socket.SOCK_STREAM) if tcp else None
        self._wake, self._stop = socket.socketpair()
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        """Its port is free afterwards. Legal in any state."""
        if not self._thread.is_alive():
            return
        self._stop.close()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()

    def on(self, domain, behaviour):
        """What to do when asked for the domain's SRV records."""
        self._behaviour[(self.prefix + domain).lower()] = behaviour

    def below(self, zone, behaviour):
        """What to do when asked for anything else in the zone; "" has all names."""
        self._below["." + zone if zone else ""] = behaviour

    def count(self, domain):
        """How many times it was asked for the domain's SRV records."""
        return sum(seen.name == self.prefix + domain for seen in self.seen)

    def names(self):
        return {seen.name for seen in self.seen}

    def _listen(self, kind):
        (family, _, _, _, place), *_ = socket.getaddrinfo(self.host, self.port, type=kind)
        s = socket.socket(family, kind)
        s.setblocking(False)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(place)
        if kind == socket.SOCK_STREAM:
            s.listen(128)
        self._selector.register(s, selectors.EVENT_READ)
        return s

    def _run(self):
        while True:
            pause = self._timers[0][0] - time.monotonic() if self._timers else None
            for key, _ in self._selector.select(pause and max(pause, 0)):
                if key.fileobj is self._wake:
                    return
                self._readable(key.fileobj)
            while self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2]()

    def _readable(self, s):
        if s is self._udp:
            message, peer = s.recvfrom(65535)
            self._answer(message, False, peer, lambda reply: s.sendto(reply, peer))
        elif s is self._tcp:
            client, peer = s.accept()
            self._clients[client] = b""
            self._peers[client] = peer
            self._selector.register(client, selectors.EVENT_READ)
        else:
            self._read_client(s)

    def _read_client(self, s):
        try:
            data = s.recv(65535)
        except OSError:
            data = b""
        if not data:
            self._forget(s)
            return
        data = self._clients[s] + data
        while len(data) >= 2 and len(data) >= 2 + struct.unpack("!H", data[:2])[0]:
            end = 2 + struct.unpack("!H", data[:2])[0]
            send = lambda reply: self._send_tcp(s, reply)
            self._answer(data[2:end], True, self._peers[s], send)
            data = data[end:]
        if s in self._clients:
            self._clients[s] = data

    def _send_tcp(self, s, reply):
        if s not in self._clients:
            return
        if reply is CLOSE:
            self._forget(s)
            return
        s.setblocking(True)
        try:
            s.sendall(struct.pack("!H", len(reply)) + reply)
        except OSError:
            pass
        s.setblocking(False)

    def _forget(self, s):
        del self._clients[s], self._peers[s]
        self._selector.unregister(s)
        s.close()

    def _answer(self, message, tcp, peer, send):
        name, end = dnsmsg.read_name(message, 12)
        qtype = struct.unpack_from("!H", message, end)[0]
        ident = struct.unpack_from("!H", message, 0)[0]
        query = Query(ident, name, qtype, message[12 : end + 4], tcp)
        if name:
            records = sum(struct.unpack_from("!HHH", message, 6))
            self.seen.append(Seen(name.lower(), qtype, tcp, peer[1], records))
        else:
            self.root_seen += 1
        for wait, reply in self._find(name.lower())(query):
            if reply is CLOSE and not tcp:
                continue
            self._later(wait, lambda reply=reply: send(reply))

    def _find(self, name):
        if not name and self.root:
            return self.root
        if name in self._behaviour:
            return self._behaviour[name]
        for zone, behaviour in self._below.items():
            if ("." + name).endswith(zone):
                return behaviour
        return behaviours.rcode(dnsmsg.REFUSED)

    def _later(self, seconds, action):
        if not seconds:
            action()
            return
        due = time.monotonic() + seconds
        heapq.heappush(self._timers, (due, id(action), action))
