"""The mail servers, as far as they can be killed at any moment, and say afterwards what
they were doing."""

import contextlib
import os
import signal
from pathlib import Path
from typing import NamedTuple

from harness.proc import LOOPBACK, Process, free_port, wait_until
from peers.exim import EXIM, SENDER
from peers.sink import Session

from e2e.outages import SOONER
from e2e.site import EximBox, PostfixBox, submit
from e2e.watch import inodes_of

from .evidence import EximLog, PostfixLog

# Recipients at whose messages a receiving server stops for a second twice: before it takes
# the data, and when it has them. What is killed is then often amid one of the two.
SLOW = "slow"

POSTFIX_SLOW = f"""\
smtpd_data_restrictions = check_recipient_access regexp:{{{{/^{SLOW}/ sleep 1}}}}
smtpd_end_of_data_restrictions = check_recipient_access regexp:{{{{/^{SLOW}/ sleep 1}}}}
"""

EXIM_SLOW = f"""\
acl_smtp_predata = slow
acl_smtp_data = slow

begin acl

slow:
  accept
    condition = ${{if match{{$recipients}}{{^{SLOW}}}}}
    delay = 1s
  accept
"""

# A message that has failed is tried again soon.
POSTFIX_SOON = SOONER + """\
minimal_backoff_time = 2s
maximal_backoff_time = 8s
queue_run_delay = 2s
"""


class Kill(NamedTuple):
    """The end of a sending server: the names of the messages that it was delivering, and
    the texts of those that it hadn't taken into its queue yet."""

    delivering: set
    untaken: list


def _stat(pid, field, gone):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[field]
    except OSError:
        return gone


def state(pid):
    """The kernel's letter for a process; "X" if it has gone."""
    return _stat(pid, 0, "X")


def parent(pid):
    """The process that has started it, 0 if it has gone."""
    return int(_stat(pid, 1, "0"))


def signal_all(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def freeze(pids):
    """Stops all of a server's processes, those that they have started meanwhile, too.
    pids: a function."""
    stopped = set()
    while new := set(pids()) - stopped:
        signal_all(new, signal.SIGSTOP)
        wait_until(lambda: all(state(pid) in "TXZ" for pid in new), "processes to stop")
        stopped |= new
    return stopped


def end(pids):
    """Kills all of a server's processes. pids: a function."""

    def over():
        left = pids()
        signal_all(left, signal.SIGKILL)
        return not left

    wait_until(over, "processes to end")


def open_files(pids):
    """The names of the files that processes have open."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for entry in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    found.add(Path(os.readlink(entry.path)))
    return found


# Exim's processes have no session or group in common, but a configuration.


def exim_pids(exim):
    mark = f"\0{exim.config}\0".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            pid = int(process.name)
            if mark in (process / "cmdline").read_bytes() and state(pid) not in "ZX":
                found.append(pid)
    return found


class Receiver:
    """What both kinds have. It tries again soon what it couldn't put into a mailbox."""

    def kill(self):
        freeze(self.pids)
        end(self.pids)
        self.reap()

    def up(self):
        return bool(self.pids())


class ReceivingPostfix(Receiver, PostfixBox):
    def configure(self, main="", master=None):
        return super().configure(main + POSTFIX_SOON + POSTFIX_SLOW, master)

    def reap(self):
        self._master.wait()

    def messages(self):
        """Its log's: its name of a message -> the Message-Id."""
        return PostfixLog(self.log()).names()


class ReceivingExim(Receiver, EximBox):
    def __init__(self, workdir, name, world):
        super().__init__(workdir, name, world)
        text = self.config.read_text()
        assert text.count("begin acl\n") == 1
        self.config.write_text(text.replace("begin acl\n", EXIM_SLOW))
        self._daemon.args.append("-q2s")

    def pids(self):
        return exim_pids(self)

    def launch(self):
        self._daemon.launch()

    def reap(self):
        self._daemon.wait()

    def stop(self):
        self.kill()

    def flush(self):
        """Its queue runner does that."""

    def messages(self):
        return EximLog(self.log()).names()


class Sender:
    """A sending server that remembers how it ended. server: an EximSender or a
    PostfixSender."""

    def __init__(self, server):
        self.server = server
        self.kills = []

    def kill(self):
        """At any moment: all processes stop at once, and then end."""
        stopped = freeze(self.pids)
        self.kills.append(Kill(self._delivering(stopped), self._untaken()))
        end(self.pids)
        self._reap()

    def up(self):
        return bool(self.pids())

    def log(self):
        return self.parse(self.text())


class SendingPostfix(Sender):
    parse = PostfixLog

    @staticmethod
    def make(world):
        return SendingPostfix(world.postfix(extra=POSTFIX_SOON))

    def text(self):
        return self.server.log()

    def pids(self):
        return self.server.pids()

    def kill(self):
        """What is on the way to its log is still written."""
        loggers = self.server.processes("postlogd")
        freeze(lambda: set(self.pids()) - set(loggers))
        for pid in loggers:
            wait_until(lambda: state(pid) not in "RD", "the log to be written")
        super().kill()

    def deliveries(self, _sockets):
        """As a SendingExim's; this one's never drop anything."""
        return set()

    def _delivering(self, pids):
        active = self.server.dir / "queue/active"
        return {path.name for path in open_files(pids) if path.parent == active}

    def _untaken(self):
        drop = self.server.dir / "queue/maildrop"
        texts = []
        for path in drop.iterdir():
            with contextlib.suppress(OSError):
                texts.append(path.read_bytes())
        return texts

    def _reap(self):
        self.server._master.wait()

    def launch(self):
        self.server.launch()

    def submit(self, text, recipient):
        self.server.send(text, recipient)

    def flush(self):
        self.server.flush()

    def queue(self):
        return self.server.queue()


class SendingExim(Sender):
    """Its daemon only runs the queue; each message is tried at once, too."""

    parse = EximLog

    def __init__(self, server):
        super().__init__(server)
        config, port = self.server.config, free_port()
        args = [EXIM, "-C", config, "-bdf", "-q1s", "-oX", f"<;{LOOPBACK}.{port}"]
        args += ["-oP", server.dir / "pid"]
        self._daemon = Process(args, server.dir / "log")

    @staticmethod
    def make(world):
        sender = SendingExim(world.exim())
        world.run(sender)
        return sender

    def start(self):
        self.launch()

    def stop(self):
        end(self.pids)

    def text(self):
        """Its other logs repeat lines of the first."""
        return self.server.logs[0].read_text(errors="replace")

    def pids(self):
        return exim_pids(self.server)

    def deliveries(self, sockets):
        """The processes that have one of these open, by inode, and those that wait for
        them and then log what has become of the message."""
        short_lived = set(self.pids()) - {self._daemon.pid}
        pids = [pid for pid in short_lived if inodes_of([pid]) & sockets]
        return {*pids, *map(parent, pids)} & short_lived

    def _delivering(self, pids):
        found = {path.name for path in open_files(pids) if path.parent.name == "input"}
        return {name[:-2] for name in found if name.endswith("-D")}

    def _untaken(self):
        return []

    def _reap(self):
        self._daemon.wait()

    def launch(self):
        self._daemon.launch()

    def submit(self, text, recipient):
        how = "-odb" if self.up() else "-odq"
        args = (how, "-oi", "-f", SENDER, recipient)
        submit(EXIM, "-C", self.server.config, *args, text=text)

    def flush(self):
        """Its queue runner does that."""

    def queue(self):
        return self.server.queue()


# The server that DNS has for the ordinary mail of every domain


class NotedSession(Session):
    """Who wanted to send counts, though the session ended before the message."""

    def envelope(self, verb, line):
        super().envelope(verb, line)
        if verb == "RCPT":
            self.server.wanted.add(self.recipients[-1])


def note(sink):
    """Has a sink remember them."""
    sink.RequestHandlerClass = NotedSession
    sink.wanted = set()
