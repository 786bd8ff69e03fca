"""The command line and the configuration."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from harness import preload
from harness.clients import ROUTE
from harness.daemon import ALONE, ONIONMXD
from harness.onion import onion
from harness.proc import LOOPBACK, REPO, SLACK

LISTENER = 'listener "x" {{ {} }}\n'
POLICY = 'protocol = policy address = "127.0.0.1:1"'
UNIX = 'protocol = readsocket address = "unix:/tmp/no.sock"'

# What is wrong, and in which line.
FAULTS = {
    "unknown setting": ("\n\nnonsense = 1\n", 3),
    "no value": ("map = \n", None),
    "not a number": ('dns_tries = "many"\n', 1),
    "a number of 0": ("\nmax_lookups = 0\n", 2),
    "a negative number": ("cache_entries = -1\n", 1),
    "too many tries": ("tor_tries = 1000\n", 1),
    "on_failure": ("on_failure = bounce\n", 1),
    "log_level": ("log_level = loud\n", 1),
    "after comments": ("# one\n\n// two\n/* three\n*/ log_level = loud\n", 5),
    "resolver": ('resolvers = {"127.0.0.1:53", "dns.example"}\n', 1),
    "resolver without its interface": ('resolvers = {"fe80::1"}\n', 1),
    "resolver's interface": ('\nresolvers = {"fe80::1%nosuch0"}\n', 2),
    "an interface that isn't needed": ('resolvers = {"[::1%lo]:53"}\n', 1),
    "resolver's port": ('resolvers = {"127.0.0.1:99999"}\n', 1),
    "tor's port": ('tor_dnsport = "127.0.0.1:x"\n', 1),
    "tor's addresses": ('tor_addresses = {"10.192.0.0/10", "10.0.0.1/10"}\n', 1),
    "public addresses of tor": ('\ntor_addresses = {"10.0.0.0/7"}\n', 2),
    "nets of tor": (f"tor_addresses = {{{', '.join(['10.0.0.0/8'] * 9)}}}\n", 1),
    "user": ('\n\nuser = "no such user"\n', 3),
    "srv_prefix": ('srv_prefix = "no dots"\n', 1),
    "TTLs the wrong way round": ("min_ttl = 100\nmax_ttl = 10\n\n", 2),
    "protocol": (LISTENER.format("protocol = smtp"), 1),
    "unknown listener setting": (LISTENER.format(UNIX + "\ncolour = red"), 2),
    "no protocol": (LISTENER.format('address = "127.0.0.1:1"'), 1),
    "no address": (LISTENER.format("protocol = tcp_table"), 1),
    "address": (LISTENER.format('protocol = tcp_table\naddress = "here"'), 2),
    "port 0": (LISTENER.format('protocol = tcp_table address = "127.0.0.1:0"'), 1),
    "a long path": (
        LISTENER.format(f'protocol = readsocket address = "unix:/{"x" * 120}"'),
        1,
    ),
    "a relative path": (
        LISTENER.format('protocol = readsocket address = "unix:x.sock"'),
        1,
    ),
    "answer": (LISTENER.format(UNIX + "\nanswer = ip"), 2),
    "policy with an answer": (
        LISTENER.format(POLICY + "\nanswer = onion"), None),
    "policy with a transport": (
        LISTENER.format(POLICY + "\ntransport = smtp"), None),
    "readsocket with onion": (LISTENER.format(UNIX + "\nanswer = onion"), None),
    "transport": (LISTENER.format(UNIX + '\ntransport = "a b"'), 2),
    "empty transport": (LISTENER.format(UNIX + '\ntransport = ""'), 2),
    "mode": (LISTENER.format(UNIX + '\nmode = "0999"'), 2),
    "mode with set-uid": (LISTENER.format(UNIX + '\nmode = "4755"'), 2),
    "owner": (LISTENER.format(UNIX + '\nowner = "no such user"'), 2),
    "group": (LISTENER.format(UNIX + '\ngroup = "no such group"'), 2),
    "max_clients": (LISTENER.format(UNIX + "\nmax_clients = 0"), 2),
    "the same listener twice": (LISTENER.format(UNIX) * 2, 2),
    "a comment without end": ('map = ""\n/* one\ndnssec = require\n', 2),
    "a comment without end, in a listener": (LISTENER.format("/* " + UNIX), 1),
    "a listener without end": (f'listener "x" {{\n{UNIX}\n', 1),
    "a listener without end before another": (
        f'listener "x" {{\n{UNIX}\nlistener "y" {{\n{UNIX}\n}}\n',
        3,
    ),
    "a closing brace": ('map = ""\n}\n', 2),
    "a list without end": ("socks = {127.0.0.1\ndnssec = require\n", 2),
    "a string without end": ('map = "\n', 1),
    "a string without end, behind all others": ('map = ""\n"\n# "\n', 2),
    "a string over two lines": ('map = ""\nstate_dir = "/tmp\n/x"\n', 2),
    "a single quote": ("map = '\ndnssec = require\n", 1),
    "a name in quotes": ('map = ""\n"dnssec" = require\n', 2),
    "a NUL": ('map = ""\n# \0\ndnssec = require\n', 2),
    "lines that end as those of old Macs": ("# one\rdnssec = require\r", 1),
    "a control character": ('\nmap = "/tmp/\x1b[2J"\n', 2),
    "a sign that means nothing": ('map = ""\n*\n', 2),
    "a backslash at the end": ('map = ""\n\\', 2),
    "a comment in a word": ("map = /tmp/a#b\n", 1),
    "an escape": ('map = "/tmp/\\q"\n', 1),
    "a string behind a word": ('map = /tmp/"a b"\n', 1),
    "an option twice": ("dnssec = require\ndnssec = prefer\n", 2),
    "an option of a listener twice": (LISTENER.format(UNIX + '\nmode = "1"\nmode = "2"'), 3),
    "an addition": ('\nsocks += {"127.0.0.1:1"}\n', 2),
    "another file": ('\ninclude("/dev/null")\n', 2),
    "an option of a listener outside": ('\nlistener|mode = "0600"\n', 2),
    "text behind a listener": (LISTENER.format(UNIX) + "dnssec\n", None),
    "a listener without a name": ("listener {}\n", 1),
    "a listener with an empty name": ('listener "" {}\n', 1),
    "a variable that isn't set": ('\nmap = "/${NO_SUCH_VARIABLE}/x"\n', 2),
    "a variable without end": ('\nmap = "/${HOME"\n', 2),
    "an empty number": ('\nmin_ttl = ""\n', 2),
    "a number and more": ("\nmin_ttl = 1s\n", 2),
    "a number of another base": ("\nmin_ttl = 0x10\n", 2),
    "a number that is too large": ("\nmin_ttl = 18446744073709551617\n", 2),
    "neither yes nor no": ("\npin_srv = maybe\n", 2),
    "a long value": (f'\nmap = "/{"x" * 5000}"\n', 2),
}


def run(*args):
    return subprocess.run(
        [*ONIONMXD, *map(str, args)], capture_output=True, text=True, timeout=20
    )


def write(lab, text):
    path = lab.dir / "conf"
    path.write_text(text)
    return path


@pytest.mark.parametrize("option", [[], ["-t"]])
@pytest.mark.parametrize("fault", FAULTS)
def test_faults(lab, fault, option):
    """With good listeners before, so that one that is opened too early shows."""
    sock = lab.dir / "good.sock"
    good = f'listener "good" {{ protocol = socketmap address = "unix:{sock}" }} '
    text, line = FAULTS[fault]
    path = write(lab, text if text.startswith("\n") else good + text)
    done = run("-f", "-c", path, *option)
    assert done.returncode == 1, done
    place = rf":{line}:\d+: " if line else r":\d+:\d+: "
    assert re.search(f"^{re.escape(str(path))}{place}\\S", done.stderr, re.M), done.stderr
    assert not sock.exists() and done.stdout == ""


RENAMED = re.findall(
    r'\{"(\w+)", "(\w+)"\}', (REPO / "daemon/config_renamed.c").read_text()
)


@pytest.mark.parametrize("old, now", RENAMED)
def test_an_old_name_of_a_key(lab, old, now):
    """It is a fault that names the new one, as soon as there is a new one."""
    new = run("-t", "-c", write(lab, f"\n{now} =\n"))
    done = run("-t", "-c", write(lab, f"\n{old} = 1\n"))
    renamed = f':2:1: "{old}" is called "{now}" now\n' in done.stderr
    assert renamed or "no key" in new.stderr, done.stderr


# What is said of a line that stands behind those that are needed, and at which column.
MESSAGES = {
    "min_ttl = 60s": (11, "min_ttl = 60s: a number of seconds from 0 to 86400"),
    "bridge_reuse = 4": (16, "bridge_reuse = 4: a number of days from 5 to 3650"),
    "dns_tries = 11": (13, "dns_tries = 11: a number from 1 to 10"),
    "bridge_port = 25": (15, "bridge_port = 25: a port from 1 to 65535 that isn't 25"),
    "pin_srv = maybe": (11, "pin_srv = maybe: yes or no"),
    "log_level = loud": (13, "log_level = loud: error, warning, info or debug"),
    'pid_file = "a b"': (12, 'pid_file = "a b": an absolute path'),
    'resolvers = {"::1", x}': (21, "resolvers = x: expected a numeric IP address"),
    "pid_file = \"/${NOT_SET}\"": (14, "${NOT_SET}: the environment has no such variable"),
    "dns_trys = 3": (1, 'there is no key "dns_trys": is "dns_tries" meant?'),
    "listner x {}": (1, 'there is no key "listner": is "listener" meant?'),
    "colour = red": (1, 'there is no key "colour"'),
    "mode = 0600": (1, '"mode" belongs in a section "listener"'),
    LISTENER.format(UNIX + " dnssec = off").strip(): (
        68, '"dnssec" belongs outside of sections, not in a listener',
    ),
    LISTENER.format("protocol = tcp_table").strip(): (
        1, 'listener "x" needs a key "address"',
    ),
    "map = /nowhere.cdb": (7, "map = /nowhere.cdb: No such file or directory"),
    "pid_file = /nowhere/pid": (
        12, "pid_file = /nowhere/pid: the directory /nowhere: No such file or directory",
    ),
    'control = "unix:/nowhere/x"': (
        11, "control = unix:/nowhere/x: the directory /nowhere: No such file or directory",
    ),
    "state_dir = /dev/null": (13, "state_dir = /dev/null: Not a directory"),
    'user = "nobody at all"': (8, 'user = "nobody at all": no such user'),
}


def without(text, line):
    """The configuration that needs nothing, without the key of a line."""
    key = line.split()[0]
    return "".join(x for x in text.splitlines(True) if not x.startswith(f"{key} = "))


@pytest.mark.parametrize("line", MESSAGES)
def test_messages(lab, line):
    column, message = MESSAGES[line]
    text = without(ALONE, line)
    path = write(lab, text + line + "\n")
    done = run("-t", "-c", path)
    number = text.count("\n") + 1
    assert (done.returncode, done.stdout) == (1, ""), done
    assert done.stderr == f"{path}:{number}:{column}: {message}\n"


@pytest.mark.parametrize("place, other", [
    (f"{LOOPBACK}:1", "alone"), ("unix:/tmp/no.sock", "x"), ("unix:/tmp/c.sock", "control"),
], ids=["TCP", "Unix", "control"])
def test_two_listeners_at_one_address(lab, place, other):
    text = ALONE.replace('control = ""', 'control = "unix:/tmp/c.sock"') + LISTENER.format(UNIX)
    text += f'listener "y" {{ protocol = tcp_table\naddress = "{place}" }}\n'
    path = write(lab, text)
    for option in [], ["-t"]:
        done = run("-f", "-c", path, *option)
        number = text.count("\n")
        fault = f'{path}:{number}:11: listener "y" has the address of "{other}"\n'
        assert (done.returncode, done.stderr) == (1, fault)


def test_all_faults_in_one_run(lab):
    """Those of values, of the syntax, of the whole, and of the system."""
    keys = ("min_ttl", "dns_tries", "log_level", "dns_trys", "colour", "map", "pid_file = /")
    lines = [line for line in MESSAGES if line.startswith(keys)]
    text = 'control = ""\npin_srv = yes\nstate_dir = ""\nsocks = {1 2\ndnssec\n'
    path = write(lab, text + "\n".join(lines) + "\n" + LISTENER.format(UNIX))
    said = run("-t", "-c", path).stderr
    for number, line in enumerate(lines, 6):
        column, message = MESSAGES[line]
        assert f"{path}:{number}:{column}: {message}\n" in said
    assert f"{path}:3:1: pin_srv needs a state_dir\n" in said
    assert f"{path}:4:12: expected a comma or }}, not 2\n" in said
    assert f"{path}:6:1: expected =, not min_ttl\n" in said
    assert said.count("\n") == len(lines) + 4  # socks = 1 is no address


NO_EFFECT = {
    "bridge_idle_ms = 900000": "no listener has answer = bridge",
    "tor_tries = 4": "no listener has answer = address",
    "max_pins = 5": "pin_srv is no",
    "cache_save = 5": "state_dir is empty",
    "follow_mx = yes": "map is empty",
}


@pytest.mark.parametrize("line", NO_EFFECT)
def test_a_key_without_effect(lab, line):
    path = write(lab, f"{line}\n{ALONE}")
    done = run("-t", "-c", path)
    key = line.split()[0]
    assert (done.returncode, done.stdout) == (0, "configuration is good\n")
    warning = f"{path}:1:1: warning: {key} has no effect: {NO_EFFECT[line]}\n"
    assert done.stderr == warning


@pytest.mark.parametrize("line, why", [
    ("mode = 0600", "the listener's address isn't a Unix socket"),
    ("owner = root", "the listener's address isn't a Unix socket"),
    ("transport = x", "readsocket names no transport"),
    ("temp_as_retry = yes", "only tcp_table and socketmap have such an answer"),
])
def test_a_key_without_effect_in_its_listener(lab, line, why):
    listener = 'protocol = readsocket address = "127.0.0.1:2"'
    path = write(lab, ALONE + LISTENER.format(f"{listener}\n{line}\n"))
    done = run("-t", "-c", path)
    assert done.returncode == 0
    key = line.split()[0]
    assert f":1: warning: {key} has no effect: {why}\n" in done.stderr


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_state_dir_that_others_can_write(lab, mode):
    state = lab.dir / "state"
    state.mkdir()
    state.chmod(mode)
    text = without(ALONE, "state_dir = x") + f"state_dir = {state}\n"
    done = run("-t", "-c", write(lab, text))
    assert done.returncode == 1 and f"state_dir = {state}: has the mode" in done.stderr
    state.chmod(0o700)
    assert run("-t", "-c", write(lab, text)).stdout == "configuration is good\n"


def test_a_damaged_map(lab):
    path = lab.dir / "bad.cdb"
    path.write_bytes(b"x" * 100)
    done = run("-t", "-c", write(lab, without(ALONE, "map = x") + f"map = {path}\n"))
    assert (done.returncode, done.stdout) == (1, "") and f"map {path}" in done.stderr


EVERYTHING = """
map = ""
resolvers = {"127.0.0.1:1", "127.0.0.1:2"}
bridge_users = {root, "0"}
listener "a" { protocol = readsocket address = "unix:/tmp/a.sock" owner = root group = root }
listener "b" { protocol = tcp_table address = "127.0.0.1:1" transport = x }
"""


@pytest.mark.parametrize("text", [EVERYTHING, 'map = ""\n'], ids=["much", "defaults"])
@pytest.mark.parametrize("to", ["once", "for good"])
def test_out_of_memory(lab, text, to):
    """Whichever allocation fails: it is a fault that is told, or it made no difference.
    A sanitizer has an allocator of its own, which doesn't fail."""
    path = write(lab, text)
    usual = run("-t", "-c", path)
    command = [*preload.make(lab.dir, "nomem", preload.NO_MEMORY), *ONIONMXD]
    refused = ready = 0  # ready: how often in a row
    for n in range(1, 1000 if SLACK == 1 else 2):
        last = n if to == "once" else 10**9
        env = dict(os.environ, NO_MEMORY_FROM=str(n), NO_MEMORY_TO=str(last))
        done = subprocess.run(
            [*command, "-f", "-t", "-c", path],
            env=env, capture_output=True, text=True, timeout=20,
        )
        told = re.search("memory|allocate", done.stderr)
        assert done.returncode in ([1] if told else [usual.returncode]), (n, done)
        assert told or done.stderr == usual.stderr, (n, done)
        refused += bool(told)
        ready = 0 if told else ready + 1
        if ready == 20:
            break
    assert 10 < refused < 900 or SLACK > 1


def test_missing_file(lab):
    done = run("-f", "-c", lab.dir / "none")
    assert done.returncode == 1 and str(lab.dir / "none") in done.stderr


def test_missing_map(lab):
    daemon = lab.make_daemon(map=lab.dir / "none.cdb")
    done = run("-f", "-c", daemon.config)
    assert done.returncode == 1 and "none.cdb" in done.stderr
    assert not any(path.exists() for path in daemon.unix_paths())


DAMAGED = {
    "empty": b"",
    "short": b"x" * 100,
    "ones": b"\xff" * 5000,
    "zeros": b"\0" * 2048,  # an empty map, but for the place of its tables
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_map_at_start(lab, damage):
    (lab.dir / "bad.cdb").write_bytes(DAMAGED[damage])
    daemon = lab.make_daemon(map=lab.dir / "bad.cdb")
    done = run("-f", "-c", daemon.config)
    assert done.returncode == 1 and "bad.cdb" in done.stderr
    assert not any(path.exists() for path in daemon.unix_paths())


def test_a_map_that_is_too_large_at_start(lab):
    path = lab.map(f"a.example {onion(1)}\n")
    daemon = lab.make_daemon(map=path, map_max_bytes=path.stat().st_size - 1)
    done = run("-f", "-c", daemon.config)
    assert done.returncode == 1
    assert f"map {path}: larger than map_max_bytes" in done.stderr
    daemon.settings["map_max_bytes"] += 1
    daemon.write_config()
    daemon.start()
    assert daemon.ask("socketmap", "a.example").outcome == ROUTE


def test_check_only(lab):
    daemon = lab.make_daemon(map=f"a.example {onion(1)}\n")
    done = run("-t", "-c", daemon.config)
    assert done.returncode == 0, done
    assert not any(path.exists() for path in daemon.unix_paths())


def test_check_beside_a_running_daemon(lab):
    """It takes nothing away from it."""
    daemon = lab.daemon(map=f"a.example {onion(1)}\n")
    assert run("-t", "-c", daemon.config).returncode == 0
    assert daemon.ask("socketmap", "a.example").outcome == ROUTE
    assert daemon.client("socketmap").ask("a.example").outcome == ROUTE


def test_version_and_help():
    for option in ("-V", "--version"):
        done = run(option)
        assert done.returncode == 0 and re.match(r"onionmxd \d", done.stdout)
    for option in ("-h", "--help"):
        done = run(option)
        assert done.returncode == 0 and "-c" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("args", [["-x"], ["--no-such"], ["-c"], ["argument"]])
def test_usage(args):
    done = run(*args)
    assert done.returncode == 2 and "usage" in done.stderr and done.stdout == ""


def test_an_unexpected_argument_is_named():
    assert "unexpected argument 'start'\n" in run("start").stderr


def test_the_default_listeners_are_the_documented_ones(lab):
    """Without a map an empty file is a whole configuration, but for directories that the
    package makes."""
    done = run("-t", "-c", write(lab, 'map = ""\n'))
    missing = re.findall(r"^.*conf: (?:address|control) = unix:(\S+): .*", done.stderr, re.M)
    if not Path("/run/onionmxd").exists():
        names = ("control", "exim", "socketmap")
        assert missing == [f"/run/onionmxd/{name}.sock" for name in names]
    assert not Path("/run/onionmxd/exim.sock").exists()


def test_resolvers_of_the_system(lab):
    """Without a setting those of /etc/resolv.conf are used; a namespace of its own
    keeps the questions of this test on this machine."""
    daemon = lab.make_daemon(map=f"a.example {onion(1)}\n")
    del daemon.settings["resolvers"]
    daemon.write_config()
    daemon.args = ["unshare", "-n", *daemon.args]
    daemon.start()
    assert daemon.client("socketmap").ask("a.example").outcome == ROUTE
