"""Certificates, and an SMTP server that offers STARTTLS. The authority is openssl(1)."""

import ssl
import subprocess

from .sink import Session, Sink


class Authority:
    """Signs certificates for names. file: its own, by which others trust it."""

    def __init__(self, directory, name="authority"):
        self.dir = directory / name
        self.dir.mkdir()
        (self.dir / "conf").write_text("[req]\ndistinguished_name = dn\n[dn]\n")
        self.file = self.dir / "ca.pem"
        usage = ("basicConstraints=critical,CA:TRUE", "keyUsage=keyCertSign")
        self._make("ca", name, *usage)

    def certificate(self, *names):
        """A certificate and its key in one file. It has no common name."""
        stem = names[0].replace("*", "any")
        text = ",".join(f"DNS:{name}" for name in names)
        signed = ("-CA", self.file, "-CAkey", self.dir / "ca.key")
        path = self._make(stem, "leaf", f"subjectAltName=critical,{text}", more=signed)
        path.write_text(path.read_text() + (self.dir / f"{stem}.key").read_text())
        return path

    def _make(self, stem, name, *extensions, more=()):
        path = self.dir / f"{stem}.pem"
        words = [f"-addext={text}".split("=", 1) for text in extensions]
        subprocess.run(
            ["openssl", "req", "-x509", "-config", self.dir / "conf", "-nodes"]
            + ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "30"]
            + ["-subj", f"/CN={name}" if name else "/", "-out", path]
            + ["-keyout", self.dir / f"{stem}.key", *more]
            + [word for pair in words for word in pair],
            check=True,
            capture_output=True,
            text=True,
        )
        return path


class TlsSession(Session):
    tls = False

    def command(self, line):
        verb = line[:8].upper()
        self.server.commands.append(verb[:4] if verb[:4] != "STAR" else verb)
        if verb == "STARTTLS" and self.server.context:
            self.say("220 go on")
            self.start_tls()
            return False
        return super().command(line)

    def start_tls(self):
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        self.setup()
        self.tls = True

    def say(self, *lines):
        if lines[0].startswith("250-") and self.server.context and not self.tls:
            lines = (lines[0], "250-STARTTLS", *lines[1:])
        super().say(*lines)

    def message(self):
        super().message()
        if self.tls:
            self.server.secured += self.recipients


class TlsSink(Sink):
    """certificate: a file; None: it offers no TLS. commands: what it was told. secured:
    the recipients of messages that came by TLS. names: those that clients wanted to see
    a certificate of."""

    def __init__(self, certificate=None, **options):
        super().__init__(**options)
        self.RequestHandlerClass = TlsSession
        self.commands, self.secured, self.names = [], [], []
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
            self.context.sni_callback = lambda _, name, __: self.names.append(name)


# What "tls=" of the map makes of mail to each kind of server: it comes in the clear, or
# by TLS, or it waits.

NAME = "mx.site.example"
SECURE = f"secure:{NAME}"

SERVERS = ("right", "wild", "wrong", "behind", "untrusted", "plain")

OUTCOMES = {
    # tls=      right    wild     wrong    behind   untrusted plain
    "none": "clear    clear    clear    clear    clear    clear",
    "may": "secured  secured  secured  secured  secured  clear",
    "encrypt": "secured  secured  secured  secured  secured  waits",
    SECURE: "secured  secured  waits    waits    waits    waits",
}


class TlsServers:
    """One of each kind, neither started. authority: what the sending site trusts."""

    def __init__(self, directory):
        ours, others = Authority(directory), Authority(directory, "others")
        self.authority = ours.file
        right, wrong = ours.certificate(NAME), ours.certificate("mx2.site.example")
        # The one that counts is the first.
        behind = directory / "behind.pem"
        behind.write_text(wrong.read_text() + right.read_text())
        self.sinks = {
            "right": TlsSink(ours.certificate("other.example", "MX.Site.example")),
            "wild": TlsSink(ours.certificate("*.site.example")),
            "wrong": TlsSink(wrong),
            "behind": TlsSink(behind),
            "untrusted": TlsSink(others.certificate(NAME)),
            "plain": TlsSink(),
        }

    def expected(self):
        """Recipient -> what becomes of its mail."""
        return {
            f"user@{policy.partition(':')[0]}-{server}.example": outcome
            for policy, row in OUTCOMES.items()
            for server, outcome in zip(SERVERS, row.split())
        }

    def map(self, onions):
        """The lines for their domains; onions: the name of each server."""
        return "".join(
            f"{policy.partition(':')[0]}-{server}.example {onion} tls={policy}\n"
            for policy in OUTCOMES
            for server, onion in onions.items()
        )

    def outcomes(self):
        """The same, as it has happened."""
        return {recipient: self._outcome(recipient) for recipient in self.expected()}

    def _outcome(self, recipient):
        if any(recipient in sink.secured for sink in self.sinks.values()):
            return "secured"
        came = any(sink.to(recipient) for sink in self.sinks.values())
        return "clear" if came else "waits"

    def check_sessions(self):
        """With none no TLS was begun, and with secure the server was told the name."""
        for server, sink in self.sinks.items():
            if server != "plain":
                assert sink.commands.count("STARTTLS") == len(sink.names), server
                assert sink.names.count(None) == 2, server
                assert set(sink.names) == {None, NAME}, server
