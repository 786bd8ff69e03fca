"""A SOCKS5 proxy in tor's place. It is as touchy as tor: a client that closes its
sending side loses the stream at once, with the answers that are under way."""

import select
import socket
import socketserver
import struct
import threading

from harness.proc import LOOPBACK

REFUSED = 5


class Stream(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            target = self.server.routes.get(self.request_target())
            if self.server.dying:
                return
            if target is None:
                self.reply(self.server.refusal)
                return
            with socket.create_connection(target) as far:
                self.reply(0)
                self.relay(far)
        except OSError:
            pass

    def request_target(self):
        """(host, port) of the request; the host is a name, or an address as text."""
        methods = self.exactly(self.exactly(2)[1])
        self.authenticate(2 in methods)
        atyp = self.exactly(4)[3]
        if atyp == 1:
            host = socket.inet_ntoa(self.exactly(4))
        else:
            host = self.exactly(self.exactly(1)[0]).decode()
        target = (host, struct.unpack("!H", self.exactly(2))[0])
        self.server.asked.append(target)
        return target

    def authenticate(self, offered):
        """Any name and password will do (RFC 1929)."""
        self.request.sendall(b"\5\2" if offered else b"\5\0")
        if offered:
            self.exactly(1)
            self.exactly(self.exactly(1)[0])
            self.exactly(self.exactly(1)[0])
            self.request.sendall(b"\1\0")

    def reply(self, status):
        self.request.sendall(struct.pack("!BBBB4sH", 5, status, 0, 1, bytes(4), 0))

    def relay(self, far):
        ends = {self.request: far, far: self.request}
        while True:
            for end in select.select(list(ends), [], [])[0]:
                data = end.recv(65536)
                if not data:
                    return
                ends[end].sendall(data)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            chunk = self.request.recv(count - len(data))
            if not chunk:
                raise OSError("cut off")
            data += chunk
        return data


class Socks(socketserver.ThreadingTCPServer):
    """routes: (host, port) as asked for -> (host, port) to connect to. What isn't there
    is refused. refusal: by which code. asked: what was asked for, in order. dying: each
    connection ends with the question."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, host=LOOPBACK, port=0):
        super().__init__((host, port), Stream)
        self.host, self.port = self.server_address
        self.routes = {}
        self.asked = []
        self.refusal = REFUSED
        self.dying = False
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))

    def route(self, host, port, sink):
        self.routes[(host, port)] = (sink.host, sink.port)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self.shutdown()
        self._thread.join()
        self.server_close()
