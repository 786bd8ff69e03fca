"""A real Exim. It is unpacked, not installed (see get-exim); EXIM says where. It asks no
DNS: the site's own router sends everything to a sink, "clearnet"."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from harness.proc import REPO, SLACK

from .conf import snippet

EXIM = Path(os.environ.get("EXIM", REPO / "build/exim/usr/sbin/exim4"))

LOGS = ("main", "reject", "panic")

SENDER = "sender@site.example"

# The names of the files and sockets in conf/.
SOCKET = "/run/onionmxd/exim.sock"
PROXY = "127.0.0.1 port=9050"

CONFIG = """\
primary_hostname = mail.site.example
qualify_domain = site.example
domainlist local_domains = site.example
domainlist relay_to_domains = relay.example
exim_path = {exim}
spool_directory = {dir}/spool
log_file_path = {dir}-%s.log
log_selector = +all_parents +incoming_port +outgoing_port +pipelining
host_lookup =
disable_ipv6
keep_environment =
acl_smtp_rcpt = rcpt

begin acl

rcpt:
  require verify = recipient
  accept

begin routers

{router}
home:
  driver = manualroute
  domains = +local_domains : +relay_to_domains
  transport = plain_smtp
  route_data = {home.host}::{home.port}
  self = send

clearnet:
  driver = manualroute
  domains = ! +local_domains : ! +relay_to_domains
  transport = plain_smtp
  route_data = {clearnet.host}::{clearnet.port}
  self = send

begin transports

{transport}
plain_smtp:
  driver = smtp

begin retry

* * {retry}
"""


class Verdict(NamedTuple):
    """What -bt says of an address."""

    outcome: str  # routed, deferred, failed
    router: str
    hosts: list
    text: str


class Exim:
    # Options that say who the client of an SMTP session is.
    client = ()

    def __init__(
        self,
        workdir,
        socket,
        *,
        socks,
        home,
        clearnet,
        router=None,
        transport=None,
        retry="F,1h,1s",
    ):
        """router and transport: texts in place of those in conf/."""
        self.dir = Path(workdir) / "exim"
        self.config = self.dir / "exim.conf"
        spool = self.dir / "spool"
        spool.mkdir(parents=True)
        self.logs = [Path(f"{self.dir}-{name}.log") for name in LOGS]
        for path in self.logs:
            path.touch()
        for path in (spool, *self.logs):
            shutil.chown(path, "Debian-exim", "Debian-exim")
        router = router or snippet("exim/router")
        transport = transport or snippet("exim/transport")
        self.config.write_text(
            CONFIG.format(
                exim=EXIM,
                dir=self.dir,
                router=router.replace(SOCKET, str(socket)),
                transport=transport.replace(SOCKET, str(socket)).replace(
                    PROXY, f"{socks.host} port={socks.port}"
                ),
                home=home,
                clearnet=clearnet,
                retry=retry,
            )
        )

    def paste(self, line, text):
        """Puts a text in the place of a line of the configuration."""
        config = self.config.read_text()
        assert config.count(line) == 1, line
        self.config.write_text(config.replace(line, text))

    def run(self, *args, text="", status=0):
        """Runs it, and returns what it says. status None: any."""
        done = subprocess.run(
            [EXIM, "-C", self.config, *args],
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=30 * SLACK,
        )
        assert status is None or done.returncode == status, done.stdout + self.log()
        return done.stdout

    def expand(self, text):
        return self.run("-be", text).removesuffix("\n")

    def route(self, address):
        text = self.run("-bt", address, status=None)
        hosts = re.findall(r"^  host (\S+) +\[\S+\](?: +port=(\d+))?$", text, re.M)
        router = re.search(r"router = (\w+)", text)
        if router:
            outcome = "routed"
        elif "cannot be resolved at this time" in text:
            outcome = "deferred"
        else:
            assert "is undeliverable" in text, text
            outcome = "failed"
        return Verdict(
            outcome,
            router[1] if router else "",
            [(host, int(port or 25)) for host, port in hosts],
            text,
        )

    def rcpt(self, address):
        """The answer to RCPT in an SMTP session: code and text."""
        reply = self.session("MAIL FROM:<>", f"RCPT TO:<{address}>")[-1]
        return int(reply[:3]), reply[4:]

    def session(self, *lines):
        """The replies to lines of an SMTP session, whose mail isn't tried at once."""
        text = "".join(f"{line}\n" for line in ("HELO client.example", *lines, "QUIT"))
        return self.run("-odq", *self.client, "-bs", text=text, status=None).splitlines()[2:-1]

    def send(self, *recipients, subject="test", body="Hello.\n"):
        """Sends a message, and tries once to deliver it."""
        text = f"From: {SENDER}\nTo: {recipients[0]}\nSubject: {subject}\n\n{body}"
        self.run("-odf", "-oi", "-f", SENDER, *recipients, text=text)

    def run_queue(self):
        """Tries all that waits, however long it should wait."""
        self.run("-qff")

    def queue(self):
        """Message id -> the text that -bp has for it: size, sender and recipients."""
        found = re.split(r"^ *\d+\w\s+\S+ (?=\w{6}-)", self.run("-bp"), flags=re.M)
        return {text.split()[0]: text for text in found[1:]}

    def waiting(self):
        """The recipients in the queue."""
        text = "".join(self.queue().values())
        return re.findall(r"^ {10}(\S+@\S+)$", text, re.M)

    def log(self):
        return "".join(path.read_text() for path in self.logs)
