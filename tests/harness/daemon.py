"""The daemon under test."""

import os
import re
import signal
import subprocess
from pathlib import Path

from .clients import CLIENTS
from .proc import LOOPBACK, REPO, SLACK, Process, free_port, program, wait_until

ONIONMXD = program("ONIONMXD", "build/onionmxd")
ONIONMAP = program("ONIONMAP", "build/onionmap")

COUNTER_NAMES = re.findall(
    r"\bX\((\w+), \"", (REPO / "include/core/counters.h").read_text()
)

# What a test may have ended it with.
KILLED = (signal.SIGKILL, signal.SIGTERM)

# What sanitizers and valgrind say.
FATAL = re.compile(r"Sanitizer|runtime error:|==\d+== (Invalid|.*uninit|.*lost)")


def command(listeners, user):
    """Under the filter that the unit has for such listeners, see tests/run. Under the unit
    it is the right user from the start."""
    if user not in ("", "0", "root"):
        return ONIONMXD[-1:]
    has_owner = any({"owner", "group"} & options.keys() for options in listeners.values())
    if not has_owner or Path(ONIONMXD[0]).name != "filtered":
        return ONIONMXD
    launcher, code, daemon = ONIONMXD
    return [launcher, f"{code}+group", daemon]


def value(v):
    """A setting's value as the configuration has it."""
    if isinstance(v, str):
        return '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(v, (list, tuple)):
        return "{" + ", ".join(value(x) for x in v) + "}"
    return str(v)


def config_text(settings, listeners):
    lines = [f"{name} = {value(v)}" for name, v in settings.items()]
    for name, options in listeners.items():
        lines.append(f'listener "{name}" {{')
        lines += [f"\t{option} = {value(v)}" for option, v in options.items()]
        lines.append("}")
    return "\n".join(lines) + "\n"


def listeners_in(workdir, **options):
    """A listener for each protocol and answer style. Deadlines are longer than the
    default, so that a busy machine doesn't end a lookup; options go to all of them."""
    table = {
        "readsocket": ("readsocket", f"unix:{workdir}/exim.sock", "address"),
        "tcp_table": ("tcp_table", f"{LOOPBACK}:{free_port()}", "onion"),
        "socketmap": ("socketmap", f"unix:{workdir}/socketmap.sock", "onion"),
        "tcp_table_address": ("tcp_table", f"{LOOPBACK}:{free_port()}", "address"),
        "socketmap_address": (
            "socketmap",
            f"unix:{workdir}/socketmap_address.sock",
            "address",
        ),
    }
    keys = ("protocol", "address", "answer")
    return {
        name: {**dict(zip(keys, row)), "deadline_ms": 10000, **options}
        for name, row in table.items()
    }


def effective(settings, listeners):
    """Without tor's addresses if no listener answers with them: that is a warning."""
    answers = {x.get("answer", x.get("protocol")) for x in listeners.values()}
    if answers & {"address", "readsocket"}:
        return settings
    unused = {"tor_dnsport", "tor_addresses"}
    return {name: v for name, v in settings.items() if name not in unused}


# Nothing of it needs to be there for "onionmxd -t".
ALONE = config_text(
    {"map": "", "state_dir": "", "control": ""},
    {"alone": {"protocol": "tcp_table", "address": f"{LOOPBACK}:1"}},
)


class Daemon(Process):
    """listeners is a dict of dicts, by default listeners_in(workdir)."""

    def __init__(
        self,
        workdir,
        listeners=None,
        *,
        dns=None,
        tor=None,
        map=None,
        nofile=None,
        prefix=(),
        **settings,
    ):
        self.dir = Path(workdir)
        self.listeners = listeners or listeners_in(self.dir)
        # Where nothing listens, if the test gives nothing.
        self.settings = {
            "map": str(map or ""),
            "resolvers": [dns.address if dns else f"{LOOPBACK}:{free_port()}"],
            "tor_dnsport": tor.address if tor else f"{LOOPBACK}:{free_port()}",
            # Wherever a test has tor, or what stands for it, have its addresses.
            "tor_addresses": ["10.0.0.0/8", "127.0.0.0/8"],
            "state_dir": "",
            "user": "0" if os.geteuid() == 0 else "",
            "control": f"unix:{self.dir}/control.sock",
            **settings,
        }
        self.config = self.dir / "onionmxd.conf"
        self.write_config()
        self._clients = {}
        started = command(self.listeners, self.settings["user"])
        args = [*prefix, *started, "-f", "-c", self.config]
        super().__init__(args, self.dir / "onionmxd.log", nofile)

    def write_config(self):
        text = config_text(effective(self.settings, self.listeners), self.listeners)
        self.config.write_text(text)

    def start(self):
        before = len(self.output())
        super().start()
        self.ready(lambda: "ready" in self.output()[before:])
        return self

    def address(self, name):
        return self.listeners[name]["address"]

    @property
    def control(self):
        return Path(self.settings["control"].removeprefix("unix:"))

    def try_onionmap(self, command, *words):
        """A command of onionmap that asks this daemon: its exit status, what it says."""
        done = subprocess.run(
            [*ONIONMAP, command, "-s", self.control, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30 * SLACK,
        )
        return done.returncode, done.stdout

    def onionmap(self, command, *words):
        """The same, if all is well. What it prints."""
        status, said = self.try_onionmap(command, *words)
        assert status == 0, said
        return said

    def counted(self, name):
        """A counter, by the control socket: nothing is logged."""
        lines = self.onionmap("counters").splitlines()
        return int(dict(line.split() for line in lines)[name])

    def unix_path(self, name):
        return Path(self.address(name).removeprefix("unix:"))

    def client(self, name, **options):
        """A new client of a listener."""
        listener = self.listeners[name]
        return CLIENTS[listener["protocol"]](listener["address"], **options)

    def ask(self, name, key):
        """Asks a listener; on the table protocols always by the same connection."""
        if name not in self._clients:
            self._clients[name] = self.client(name)
        try:
            return self._clients[name].ask(key)
        except OSError:
            self._clients.pop(name).close()
            raise

    def hang_up(self):
        """Closes the connections of ask()."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def counters(self):
        before = len(self.output())
        self.signal(signal.SIGUSR1)

        def all_there():
            found = re.findall(r"counter (\w+) (\d+)\n", self.output()[before:])
            return dict(found) if len(found) >= len(COUNTER_NAMES) else None

        counters = wait_until(all_there, "the counters")
        return {name: int(number) for name, number in counters.items()}

    def counter(self, name):
        return self.counters()[name]

    def terminate(self):
        """An orderly end: exit status 0, no socket left, nothing wrong in the log."""
        self.hang_up()
        self.signal(signal.SIGTERM)
        try:
            status = self.wait()
        except subprocess.TimeoutExpired as error:
            raise AssertionError("SIGTERM didn't end it") from error
        assert status == 0, f"exit status {status}\n{self.output()}"
        left = [p for p in self.unix_paths() if p.exists()]
        assert not left, f"sockets left: {left}"
        self.check_log()

    def stop(self):
        """As at the end of each test: however it has ended, it hasn't crashed or hung."""
        hung = self.alive() and super().stop() is None
        assert not hung, "SIGTERM didn't end it"
        status = self.child.returncode if self.child else 0
        assert status >= 0 or -status in KILLED, f"died of signal {-status}"
        self.check_log()

    def unix_paths(self):
        return [
            self.unix_path(name)
            for name, listener in self.listeners.items()
            if listener["address"].startswith("unix:")
        ] + [self.control]

    def check_log(self):
        found = FATAL.search(self.output())
        assert not found, self.output()[found.start() : found.start() + 4000]
