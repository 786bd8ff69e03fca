"""Tor's control port (control-spec), as far as the tests need it."""

import shlex
import socket

from harness.proc import SLACK


class ControlError(OSError):
    """Tor refused a command, or hung up."""


class Control:
    """A connection to a control socket. Events are put aside while replies are read."""

    def __init__(self, path):
        self.events = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20 * SLACK)
        try:
            self.socket.connect(str(path))
            self.file = self.socket.makefile("rb")
            self.command("AUTHENTICATE")
        except BaseException:
            self.socket.close()
            raise

    def close(self):
        self.file.close()
        self.socket.close()

    def command(self, text):
        """Sends a command; the lines of the reply, without their codes."""
        self.socket.sendall(text.encode() + b"\r\n")
        lines = []
        while True:
            code, last, line = self._line()
            if code == "650":
                self.events.append(line)
                continue
            lines.append(line)
            if code[0] != "2":
                raise ControlError(f"{text}: {code} {line}")
            if last:
                return lines

    def get(self, key):
        """GETINFO of one key."""
        return self.command(f"GETINFO {key}")[0].partition("=")[2]

    def listeners(self, kind):
        """[(host, port)...] on which tor listens; kind: socks, dns, trans, ..."""
        found = shlex.split(self.get(f"net/listeners/{kind}"))
        pairs = [address.rsplit(":", 1) for address in found if ":" in address]
        return [(host, int(port)) for host, port in pairs]

    def _line(self):
        line = self._read()
        code, mark, text = line[:3], line[3:4], line[4:]
        if mark == "+":
            data = []
            while (more := self._read()) != ".":
                data.append(more)
            text += "\n".join(data)
        return code, mark == " ", text

    def _read(self):
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise ControlError("tor hung up")
        return line.decode(errors="replace").rstrip("\r\n")
