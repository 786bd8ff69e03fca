"""A server in the daemon's place that does what the daemon never should."""

import contextlib
import socket
import socketserver
import threading
from pathlib import Path
from typing import NamedTuple

GO_ON, CLOSE, HANG = "go on", "close", "hang"


class Act(NamedTuple):
    """What to do with a request: wait, send, and then something."""

    data: bytes = b""
    then: str = GO_ON
    pause: float = 0


def netstring(text):
    return b"%d:%s," % (len(text), text)


def read_line(file):
    """readsocket and tcp_table: a word, a space, the key and a newline."""
    line = file.readline()
    return line[:-1].partition(b" ")[2] if line.endswith(b"\n") else None


def read_netstring(file):
    """socketmap: the name of the map, a space and the key."""
    length = b""
    while not length.endswith(b":"):
        byte = file.read(1)
        if not byte:
            return None
        length += byte
    return file.read(int(length[:-1]) + 1)[:-1].partition(b" ")[2]


class Session(socketserver.StreamRequestHandler):
    def handle(self):
        faulty = self.server.faulty
        faulty.connections.append(self.request)
        try:
            while (key := faulty.read(self.rfile)) is not None:
                faulty.asked.append(key.decode())
                act = faulty.answer(key.decode())
                faulty.released.wait(act.pause)
                self.wfile.write(act.data)
                if act.then == HANG:
                    faulty.released.wait()
                if act.then != GO_ON:
                    return
        except OSError:
            pass


class _Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True


class Faulty:
    """address: (host, port), or the path of a Unix socket. answer: a function from the
    key to an Act. asked: the keys, in order."""

    def __init__(self, protocol, address, answer):
        self.address = address
        self.answer = answer
        self.asked = []
        self.connections = []
        self.released = threading.Event()
        self.read = read_netstring if protocol == "socketmap" else read_line
        self._server = None

    def start(self):
        self.released.clear()
        if isinstance(self.address, tuple):
            self._server = _Tcp(self.address, Session)
        else:
            Path(self.address).unlink(missing_ok=True)
            self._server = _Unix(str(self.address), Session)
            Path(self.address).chmod(0o666)
        self._server.faulty = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def stop(self):
        """Closes all connections, too."""
        self.released.set()
        if self._server is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.connections.clear()


class Full:
    """A Unix socket that accepts nothing, and whose queue is full."""

    def __init__(self, path):
        self.path = str(path)

    def start(self):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        Path(self.path).chmod(0o666)
        self._listener.listen(0)
        self._waiting = []
        while True:
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            self._waiting.append(client)
            try:
                client.connect(self.path)
            except BlockingIOError:
                return self

    def stop(self):
        for s in (*self._waiting, self._listener):
            s.close()
