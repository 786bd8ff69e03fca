"""A real Postfix of the test's own, with its own configuration, queue and data. It asks
no DNS: mail goes the normal way to a sink, "clearnet"."""

import contextlib
import os
import re
import shutil
import signal
import smtplib
import subprocess
from pathlib import Path
from typing import NamedTuple

from harness.proc import LOOPBACK, SLACK, Process, free_port, wait_until

from .conf import instead, snippet

LIBEXEC = Path("/usr/lib/postfix/sbin")
SENDER = "sender@site.example"

MAIN = """\
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
daemon_directory = {dir}/sbin
maillog_file = {log}
maillog_file_prefixes = {log.parent}
inet_interfaces = 127.0.0.1
myhostname = mail.site.example
mydestination = site.example
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
alias_maps =
local_recipient_maps =
local_transport = smtp:[{home.host}]:{home.port}
relayhost = [{clearnet.host}]:{clearnet.port}
import_environment = MAIL_CONFIG TORSOCKS_TOR_ADDRESS={socks.host}
 TORSOCKS_TOR_PORT={socks.port}
{extra}
"""

# Chrooted as in Debian's.
MASTER = """\
{host}:{port} inet n - y - - smtpd
pickup unix n - y 60 1 pickup
cleanup unix n - y - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - y - - trivial-rewrite
bounce unix - - y - 0 bounce
defer unix - - y - 0 bounce
trace unix - - y - 0 bounce
flush unix n - y 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - y - - smtp
error unix - - y - - error
retry unix - - y - - error
discard unix - - y - - discard
anvil unix - - y - 1 anvil
scache unix - - y - 1 scache
tlsmgr unix - - y 1000? 1 tlsmgr
showq unix n - y - - showq
postlog unix-dgram n - n - 1 postlogd
"""

# What postfix-files says of the queue: owner, group and mode of each directory.
QUEUE = {
    **dict.fromkeys(
        "active bounce corrupt defer deferred flush hold incoming private saved "
        "trace".split(),
        ("postfix", "root", 0o700),
    ),
    "maildrop": ("postfix", "postdrop", 0o730),
    "public": ("postfix", "postdrop", 0o710),
    "pid": ("root", "root", 0o755),
}

# The names of conf/'s transport_maps, and what follows "regexp:..., " there.
TABLES = {
    "proxy": "proxy:socketmap:unix:/run/onionmxd/socketmap.sock",
    "chroot": "socketmap:unix:/onionmxd/socketmap.sock",
    "inet": "socketmap:inet:127.0.0.1:23001",
    "tcp": "tcp:127.0.0.1:23000",
}


def make_directory(path, user="root", group="root", mode=0o755):
    path.mkdir(parents=True)
    shutil.chown(path, user, group)
    path.chmod(mode)


def members(session):
    """The processes of a session. One that nobody has reaped yet doesn't count."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            yield int(process.name)


def comm(pid):
    """The name of a process's program; none if it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def transport_maps(table, address):
    """conf/'s main.cf with one of its tables, which is at address: (host, port), or the
    path of a Unix socket (inside the queue directory, for "chroot")."""
    text = snippet("postfix/main.cf")
    if table != "proxy":
        text = instead(text, ", " + TABLES["proxy"], ", " + TABLES[table])
    if isinstance(address, tuple):
        return text.replace(", " + TABLES[table], ", {}:{}:{}".format(
            TABLES[table].rsplit(":", 2)[0], *address
        ))
    return text.replace("/run/onionmxd/socketmap.sock", str(address))


def bridge_main(path, routes=None, tls=None):
    """conf/'s lines for the bridge. routes and tls: tables in place of its own, which are
    at this path."""
    own = TABLES["proxy"]
    tables = {f", {own}:onion": f", {routes or own + ':onion'}"}
    tables[f"= {own}:tls"] = f"= {tls or own + ':tls'}"
    text = snippet("postfix/bridge-main.cf", tables)
    return text.replace("/run/onionmxd/socketmap.sock", str(path))


class Status(NamedTuple):
    """One attempt for a recipient, from the log."""

    status: str
    dsn: str
    relay: str
    reason: str


class Postfix:
    def __init__(self, workdir, *, socks, home, clearnet, name="postfix"):
        self.dir = Path(workdir) / name
        self.log_file = Path(workdir) / f"{name}.log"
        self.etc = self.dir / "etc"
        self.host, self.port = LOOPBACK, free_port()
        self.places = {"socks": socks, "home": home, "clearnet": clearnet}
        make_directory(self.etc)
        make_directory(self.dir / "data", "postfix")
        for directory, owner in QUEUE.items():
            make_directory(self.dir / "queue" / directory, *owner)
        make_directory(self.dir / "sbin")
        for program in LIBEXEC.iterdir():
            (self.dir / "sbin" / program.name).symlink_to(program)
        self._master = Process(
            ["setsid", LIBEXEC / "master", "-d", "-c", self.etc],
            Path(workdir) / f"{name}-master.log",
        )

    @property
    def in_queue_directory(self):
        """Where TABLES["chroot"] has its socket."""
        directory = self.dir / "queue/onionmxd"
        directory.mkdir(exist_ok=True)
        return directory / "socketmap.sock"

    def configure(self, main="", master=None, own_rewrite=None):
        """Writes the configuration: conf/'s text for each of the two files. own_rewrite:
        smtpd has the rewrite service of conf/, with these transport_maps."""
        own = {"dir": self.dir, "log": self.log_file, "host": self.host}
        first = snippet("postfix/local_first", {"example\\.org": "site\\.example"})
        (self.etc / "local_first").write_text(first)
        main = main.replace("/etc/postfix/local_first", f"{self.etc}/local_first")
        (self.etc / "main.cf").write_text(MAIN.format(**own, **self.places, extra=main))
        if master is None:
            master = snippet("postfix/master.cf")
        text = MASTER.format(host=self.host, port=self.port)
        (self.etc / "master.cf").write_text(text + master)
        wrapper = self.dir / "sbin/smtp-tor"
        wrapper.write_text(snippet("postfix/smtp-tor"))
        wrapper.chmod(0o755)
        if own_rewrite is not None:
            self._add_own_rewrite(own_rewrite)
        # Postfix waits until its configuration is two seconds old.
        for name in ("main.cf", "master.cf"):
            os.utime(self.etc / name, (0, 0))
        return self

    def _add_own_rewrite(self, maps):
        """As conf/ says, for those services that this Postfix has."""
        line = "-o transport_maps=\n"
        own = {line: f"-o {{ transport_maps = {maps} }}\n"} if maps else None
        text = snippet("postfix/smtpd-master.cf", own)
        with (self.etc / "master.cf").open("a") as file:
            file.write(text)
        services = {"smtp/inet": f"{self.host}:{self.port}/inet", "cleanup/unix": None}
        for service, setting in re.findall(r"^#   postconf -P (\w+/\w+)/(\S+)$", text, re.M):
            if service in services:
                name = services.pop(service) or service
                self.command("postconf", "-c", self.etc, "-P", f"{name}/{setting}")
        assert not services, services

    def launch(self):
        self._master.launch()

    def start(self):
        self.launch()
        self._master.ready(lambda: "daemon started" in self.log())
        wait_until((self.dir / "queue/public/qmgr").exists, "qmgr's socket")
        return self

    def pids(self):
        """All of its processes."""
        return list(members(self._master.pid)) if self._master.child else []

    def processes(self, name):
        """Those of a program."""
        return [pid for pid in self.pids() if name == comm(pid)]

    def stop(self):
        """Kills all of its processes, which are a session of their own."""
        if self._master.child is None:
            return
        session = self._master.pid
        with contextlib.suppress(ProcessLookupError):
            os.killpg(session, signal.SIGKILL)
        self._master.wait()
        wait_until(lambda: not any(members(session)), "Postfix's processes to end")

    def command(self, name, *args, text="", status=0):
        done = subprocess.run(
            [name, *args],
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=30 * SLACK,
        )
        assert status is None or done.returncode == status, done.stdout
        return done.stdout

    def send(self, *recipients, body="Hello.\n"):
        """Puts a message into the queue, without smtpd's questions about it."""
        text = f"From: {SENDER}\nTo: {recipients[0]}\nSubject: test\n\n{body}"
        args = ("-C", self.etc, "-i", "-f", SENDER)
        self.command("/usr/sbin/sendmail", *args, *recipients, text=text)

    def rcpt(self, address, sender=SENDER, limit=30):
        """smtpd's answer to RCPT: code and text."""
        with smtplib.SMTP(self.host, self.port, timeout=limit * SLACK) as client:
            client.helo("client.example")
            client.mail(sender)
            code, text = client.rcpt(address)
        return code, text.decode()

    def submit(self, *recipients, sender=SENDER):
        """A whole message by SMTP, which smtpd must accept."""
        text = f"From: {sender}\nTo: {recipients[0]}\nSubject: test\n\nHello.\n"
        with smtplib.SMTP(self.host, self.port, timeout=30 * SLACK) as client:
            refused = client.sendmail(sender, recipients, text)
        assert not refused, refused

    def flush(self):
        """Tries all that waits."""
        self.command("/usr/sbin/postqueue", "-c", self.etc, "-f")

    def queue(self):
        """The names of messages that aren't done. Each may move from one directory to
        another meanwhile: none is to count twice, and a second look sees whom the first
        has missed. One that hasn't been taken yet, or never will be, isn't executable."""
        queues = ("maildrop", "incoming", "active", "deferred", "hold", "corrupt")
        return {
            path.name
            for queue in queues * 2
            for path in (self.dir / "queue" / queue).rglob("*")
            if path.is_file() and os.access(path, os.X_OK)
        }

    def log(self):
        return self.log_file.read_text() if self.log_file.exists() else ""

    def warnings(self):
        return re.findall(r"(?:warning|error|fatal|panic): .*", self.log())

    def attempts(self, recipient):
        """All attempts for a recipient."""
        pattern = (
            rf"to=<{re.escape(recipient)}>.*, relay=(\S+), .*dsn=([\d.]+), "
            r"status=(\w+) \((.*)\)$"
        )
        found = re.findall(pattern, self.log(), re.M)
        return [Status(status, dsn, relay, text) for relay, dsn, status, text in found]

    def attempt(self, recipient, number=1, limit=20):
        """The first attempt, or a later one, as soon as it is over."""
        wait_until(
            lambda: len(self.attempts(recipient)) >= number,
            f"attempt {number} for {recipient}\n{self.log()}",
            limit,
        )
        return self.attempts(recipient)[number - 1]
