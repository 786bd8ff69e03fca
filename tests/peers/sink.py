"""An SMTP server that takes every message and remembers it."""

import re
import socketserver
import threading
import time
from typing import NamedTuple

from harness.proc import LOOPBACK, wait_until


class Message(NamedTuple):
    sender: str
    recipients: list
    data: bytes

    @property
    def text(self):
        return self.data.decode(errors="replace")


class Session(socketserver.StreamRequestHandler):
    """PIPELINING is offered: what comes with it must be survived."""

    def handle(self):
        self.server.connections += 1
        try:
            self.say("220 sink.example ESMTP")
            while line := self.rfile.readline():
                if self.command(line.decode(errors="replace").strip()):
                    return
        except OSError:
            pass

    def command(self, line):
        verb = line[:4].upper()
        if verb == "EHLO":
            self.say("250-sink.example", "250-PIPELINING", "250 8BITMIME")
        elif verb == "DATA":
            self.say("354 go on")
            self.message()
        elif verb == "QUIT":
            self.say("221 bye")
            return True
        else:
            self.envelope(verb, line)
            self.say("250 ok")
        return False

    def envelope(self, verb, line):
        address = re.search(r"<(.*)>", line)
        if verb == "MAIL":
            self.sender, self.recipients = address[1], []
        elif verb == "RCPT":
            self.recipients.append(address[1])

    def message(self):
        data = bytearray()
        while (line := self.line()) != b".\r\n":
            data += line[1:] if line.startswith(b".") else line
        message = Message(self.sender, self.recipients, bytes(data))
        self.server.messages.append(message)
        # Long enough for a client that doesn't wait for the answer to show it.
        time.sleep(self.server.pause)
        self.say("250 taken")

    def line(self):
        """One of a message."""
        line = self.rfile.readline()
        if not line:
            raise OSError("cut off")
        return line

    def say(self, *lines):
        self.wfile.write("".join(line + "\r\n" for line in lines).encode())


class Sink(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, host=LOOPBACK, port=0, pause=0.0):
        super().__init__((host, port), Session)
        self.host, self.port = self.server_address
        self.pause = pause
        self.messages = []
        self.connections = 0
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self.shutdown()
        self._thread.join()
        self.server_close()

    def to(self, recipient):
        """The messages for a recipient."""
        return [m for m in self.messages if recipient in m.recipients]

    def wait_for(self, recipient, limit=20):
        wait_until(lambda: self.to(recipient), f"a message to {recipient}", limit)
        return self.to(recipient)[0]
