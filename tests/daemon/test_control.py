"""The control socket, clients of it that mean ill, and onionmap as a client."""

import contextlib
import select
import socket
import stat
import subprocess
import threading
import time

import pytest

from harness import behaviours as does
from harness.bridged import exactly
from harness.clients import ROUTE, connect, read_all
from harness.daemon import ONIONMAP, ONIONMXD, listeners_in
from harness.onion import onion
from harness.preload import Clock
from harness.proc import SLACK, Process, wait_until
from harness.state_line import pin

A, B = onion("a"), onion("b")
CLIENTS_MAX = 16
COMMAND_MAX = 512


@pytest.fixture
def dns(lab):
    dns = lab.dns()
    dns.on("x.example", does.one("x"))
    dns.on("absent.example", does.nxdomain())
    dns.on("fails.example", does.servfail())
    return dns


@pytest.fixture
def daemon(lab, dns):
    """By names only."""
    return lab.daemon(by_name(lab), dns=dns)


def by_name(lab):
    listeners = listeners_in(lab.dir)
    return {name: listeners[name] for name in ("tcp_table", "socketmap")}


def explain(daemon, key):
    return daemon.onionmap("explain", key).splitlines()


# The socket


def parse(data):
    """A whole answer: its word and its text."""
    head, _, text = data.partition(b"\n")
    word, length = head.split()
    assert word in (b"ok", b"error") and int(length) == len(text), data
    return word.decode(), text.decode()


def tell(daemon, data):
    with connect(daemon.settings["control"]) as s:
        s.sendall(data)
        return parse(read_all(s))


def is_served(daemon):
    try:
        return tell(daemon, b"counters\n")[0] == "ok"
    except (OSError, ValueError):
        return False


def test_mode(daemon):
    assert stat.S_IMODE(daemon.control.stat().st_mode) == 0o600


def test_counters(daemon):
    explain(daemon, "absent.example")
    by_signal = daemon.counters()
    lines = daemon.onionmap("counters").splitlines()
    told = {name: int(n) for name, n in map(str.split, lines)}
    of_listeners = {
        f"clients_{what}.{listener}"
        for what in ("refused", "evicted")
        for listener in daemon.listeners
    }
    assert told.keys() - by_signal.keys() == of_listeners
    assert {name: told[name] for name in by_signal} == by_signal
    assert by_signal["answers_none"] > 0


UNKNOWN = [
    b"",
    b"\r",
    b"nonsense",
    b"explain",
    b"accept",
    b"counters now",
    b"counters\r",
    b"COUNTERS",
    b" counters",
    b"held ",
    b"\0counters",
    b"\xff\xfe",
    b"x" * (COMMAND_MAX - 1),
]

TOO_LONG = [
    b"x" * COMMAND_MAX,
    b"explain " + b"x" * COMMAND_MAX + b"\n",
    b"counters".ljust(COMMAND_MAX) + b"\n",
    b"\0" * 1000,
]


@pytest.mark.parametrize("command", UNKNOWN)
def test_unknown_commands(daemon, command):
    assert tell(daemon, command + b"\n") == ("error", "unknown command\n")


@pytest.mark.parametrize("command", TOO_LONG)
def test_commands_that_are_too_long(daemon, command):
    assert tell(daemon, command) == ("error", "the command is too long\n")
    assert is_served(daemon)


def test_the_longest_command(daemon):
    key = b"@".rjust(COMMAND_MAX - len("explain x.example\n"), b"u") + b"x.example"
    word, text = tell(daemon, b"explain " + key + b"\n")
    assert word == "ok" and f"target: {onion('x')}:25" in text


@pytest.mark.parametrize("key", [b"\x1b[31m", b"\xff", b"a\0b", b"x.example\r", b"\t"])
def test_keys_that_mean_ill(daemon, key):
    word, text = tell(daemon, b"explain " + key + b"\n")
    assert word == "ok" and text.replace("\n", "").isprintable() and text.isascii()


def test_a_command_in_pieces(daemon):
    with connect(daemon.settings["control"]) as s:
        for byte in b"counters\n":
            s.sendall(bytes([byte]))
        assert parse(read_all(s))[0] == "ok"


def test_one_command_a_connection(daemon):
    with connect(daemon.settings["control"]) as s:
        s.sendall(b"counters\ncounters\n")
        word, text = parse(read_all(s))
    assert word == "ok" and text.count("answers_route ") == 1


def test_half_closed(daemon):
    with connect(daemon.settings["control"]) as s:
        s.sendall(b"explain x.example\n")
        s.shutdown(socket.SHUT_WR)
        assert parse(read_all(s))[0] == "ok"


@pytest.mark.parametrize("data", [b"", b"e", b"explain x.example"])
def test_no_newline(daemon, dns, data):
    """A command that isn't whole isn't carried out."""
    with connect(daemon.settings["control"]) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == b""
    assert is_served(daemon) and dns.seen == []


def test_too_many_clients(daemon):
    crowd = [connect(daemon.settings["control"]) for _ in range(CLIENTS_MAX)]
    for _ in range(3):
        with connect(daemon.settings["control"]) as s:
            assert read_all(s) == b""
    assert daemon.counter("clients_refused") == 3
    assert daemon.try_onionmap("counters")[0] == 3
    # All the others are served.
    assert daemon.ask("tcp_table", "x.example").outcome == ROUTE
    for s in crowd:
        s.sendall(b"counters\n")
        assert parse(read_all(s))[0] == "ok"
        s.close()
    assert is_served(daemon)


def test_clients_that_say_nothing(lab, dns):
    daemon = lab.daemon(by_name(lab), dns=dns, client_timeout_ms=300)
    silent = [connect(daemon.settings["control"]) for _ in range(CLIENTS_MAX)]
    silent[0].sendall(b"expl")
    assert not is_served(daemon)
    for s in silent:
        assert read_all(s) == b""
        s.close()
    assert is_served(daemon)


def is_closed(s):
    """By the other side, whether or not something is left to read."""
    poll = select.poll()
    poll.register(s, 0)
    return any(what & select.POLLHUP for _, what in poll.poll(0))


def test_dripping_into_a_command(lab, dns):
    """Each byte comes in time, the command doesn't."""
    daemon = lab.daemon(by_name(lab), dns=dns, client_timeout_ms=1000)
    with connect(daemon.settings["control"]) as s:
        s.sendall(b"explain ")

        def ended():
            with contextlib.suppress(BrokenPipeError):
                s.sendall(b"x")
            return is_closed(s)

        wait_until(ended, "its end")
    assert daemon.counter("clients_timed_out") == 1


PINS = 10000


def daemon_with_much_to_tell(lab, pins=PINS, **settings):
    """More than the kernel's buffers hold."""
    state = lab.dir / "state"
    state.mkdir()
    lines = [pin(f"d{i}.example", (1, 0, 25, onion(i))) for i in range(pins)]
    (state / "pins").write_bytes(b"".join(lines))
    settings = {"state_dir": str(state), "pin_srv": "yes", **settings}
    return lab.daemon(by_name(lab), **settings)


def test_a_client_that_never_reads(lab):
    daemon = daemon_with_much_to_tell(lab, client_timeout_ms=500)
    with connect(daemon.settings["control"]) as s:
        s.sendall(b"pins\n")
        wait_until(lambda: is_closed(s), "its end")
        head, _, text = read_all(s).partition(b"\n")
    assert head.startswith(b"ok ") and len(text) < int(head.split()[1])
    assert len(daemon.onionmap("pin", "list").splitlines()) == PINS
    assert daemon.counter("clients_timed_out") == 1


def test_sipping_at_an_answer(lab):
    """The daemon can always send something, but the answer has a time, too."""
    clock = Clock(lab.dir)
    settings = {"prefix": clock.prefix, "client_timeout_ms": 600_000}
    daemon = daemon_with_much_to_tell(lab, 3 * PINS, **settings)
    with connect(daemon.settings["control"]) as s:
        s.sendall(b"pins\n")
        for _ in range(7):
            exactly(s, 300_000)  # more than the kernel holds
            assert daemon.counter("clients_timed_out") == 0
            clock.advance(590)
            assert daemon.ask("tcp_table", A).outcome == ROUTE
        assert daemon.counter("clients_timed_out") == 1


def test_a_slow_reader_gets_it_all(lab):
    daemon = daemon_with_much_to_tell(lab)
    with connect(daemon.settings["control"]) as s:
        s.sendall(b"pins\n")
        wait_until(lambda: select.select([s], [], [], 0)[0], "the answer")
        assert daemon.ask("tcp_table", A).outcome == ROUTE
        word, text = parse(read_all(s))
    assert word == "ok" and len(text.splitlines()) == PINS


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


# valgrind keeps descriptors for itself.
@pytest.mark.skipif("valgrind" in ONIONMXD[0], reason="valgrind takes descriptors")
def test_out_of_file_descriptors(lab):
    """It waits, without spinning, and goes on when there are some again."""
    daemon = lab.daemon(by_name(lab), map=f"a.example {A}\n")
    limit = daemon.open_files() + CLIENTS_MAX // 2
    pid = str(daemon.pid)
    subprocess.run(["prlimit", f"--nofile={limit}:", "--pid", pid], check=True)
    crowd = [connect(daemon.settings["control"]) for _ in range(CLIENTS_MAX)]
    wait_until(lambda: daemon.open_files() == limit, "the last descriptor")
    before = cpu_seconds(daemon)
    time.sleep(1)
    assert cpu_seconds(daemon) - before < 0.5
    for s in crowd:
        s.close()
    wait_until(lambda: is_served(daemon), "a free descriptor")


# Clients that go


def ask_for(daemon, key, count, lookups):
    """Clients that wait for explanations, so many lookups in all."""
    clients = [connect(daemon.settings["control"]) for _ in range(count)]
    for s in clients:
        s.sendall(f"explain {key}\n".encode())
    wait_until(lambda: daemon.counter("lookups") == lookups, "the questions")
    return clients


def test_clients_that_do_not_wait_for_dns(lab, dns):
    dns.on("slow.example", does.delay(0.5, does.one("slow")))
    daemon = lab.daemon(dns=dns, tor=lab.tor())
    for s in ask_for(daemon, "slow.example", CLIENTS_MAX, CLIENTS_MAX):
        s.close()
    lines = wait_until(lambda: served_lines(daemon, "slow.example"), "a free place")
    assert f"target: {onion('slow')}:25" in lines
    assert dns.count("slow.example") == 1


def served_lines(daemon, key):
    status, printed = daemon.try_onionmap("explain", key)
    return printed.splitlines() if status == 0 else None


def test_clients_that_do_not_wait_for_tor(lab):
    tor = lab.tor()
    daemon = lab.daemon(tor=tor, map=f"a.example {A}\n")
    tor.pause()
    for s in ask_for(daemon, "a.example", CLIENTS_MAX, 2 * CLIENTS_MAX):
        s.close()
    tor.resume()
    lines = wait_until(lambda: served_lines(daemon, "a.example"), "a free place")
    answer = f"answer of readsocket (readsocket): OK {tor.resolve(A)}"
    assert answer in lines


@pytest.mark.parametrize("key, lookups", [("slow.example", 5), ("a.example", 10)])
def test_the_end_amid_an_explanation(lab, dns, key, lookups):
    """It waits neither for DNS nor for tor."""
    tor = lab.tor()
    dns.on("slow.example", does.silence())
    daemon = lab.daemon(dns=dns, tor=tor, map=f"a.example {A}\n", tor_timeout_ms=10000)
    tor.pause()
    clients = ask_for(daemon, key, 5, lookups)
    command = [*ONIONMAP, "explain", "-s", daemon.control, "slow.example"]
    tool = Process(command, lab.dir / "tool").start()
    wait_until(lambda: daemon.counter("lookups") > lookups, "the tool's question")
    daemon.terminate()
    for s in clients:
        assert read_all(s) == b""
        s.close()
    assert tool.wait() == 3
    assert tool.output() == f"onionmap: {daemon.control}: no answer\n"


def test_the_end_amid_an_answer(lab):
    daemon = daemon_with_much_to_tell(lab)
    with connect(daemon.settings["control"]) as s:
        s.sendall(b"pins\n")
        wait_until(lambda: select.select([s], [], [], 0)[0], "the answer")
        daemon.terminate()
        with pytest.raises(AssertionError):
            parse(read_all(s))


def test_without_a_control_socket(lab, dns):
    daemon = lab.make_daemon(dns=dns)
    path = daemon.control
    daemon.settings["control"] = ""
    daemon.write_config()
    daemon.start()
    assert daemon.ask("tcp_table", "x.example").outcome == ROUTE
    assert not path.exists()


# onionmap


def run(*args):
    done = subprocess.run(
        [*ONIONMAP, *args], capture_output=True, text=True, timeout=60 * SLACK
    )
    return done.returncode, done.stdout, done.stderr


COMMANDS = [
    ("explain", "x.example"),
    ("counters",),
    ("pin", "list"),
    ("pin", "accept", "x.example"),
]


def with_socket(command, path):
    return (command[0], "-s", path, *command[1:])


@pytest.mark.parametrize("command", COMMANDS)
def test_no_daemon(lab, command):
    path = str(lab.dir / "none.sock")
    status, out, err = run(*with_socket(command, path))
    assert (status, out) == (3, "")
    assert err == f"onionmap: {path}: No such file or directory\n"


def test_a_daemon_that_was_killed(daemon):
    daemon.kill()
    assert daemon.try_onionmap("counters") == (
        3,
        f"onionmap: {daemon.control}: Connection refused\n",
    )


@pytest.mark.parametrize("key, status", [("x" * 600, 2), ("x\ny", 2), ("x\n", 2)])
def test_keys_that_are_not_sent(daemon, key, status):
    assert daemon.try_onionmap("explain", key)[0] == status


def test_a_long_path():
    assert run("counters", "-s", "/" + "x" * 200)[0] == 3


@pytest.fixture
def fake(lab):
    """A daemon that says what it is told, and closes. Its socket, and where to tell."""
    path, says = str(lab.dir / "fake.sock"), []
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def serve():
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client, client.makefile("rb") as file:
                file.readline()
                client.sendall(says[0])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield path, says
    server.shutdown(socket.SHUT_RDWR)
    thread.join()
    server.close()


# What the daemon says, and then the exit status, and what is printed.
SAID = [
    (b"ok 6\nhello\n", 0, "hello\n", ""),
    (b"ok 0\n", 0, "", ""),
    (b"error 6\nwrong\n", 1, "", "wrong\n"),
    (b"ok 6\nhello\nand more", 0, "hello\n", ""),
    (b"", 3, "", "no answer"),
    (b"ok", 3, "", "no answer"),
    (b"ok 6", 3, "", "no answer"),
    (b"ok \n", 3, "", "no answer"),
    (b"ok x\n", 3, "", "no answer"),
    (b"ok 6x\nhello\n", 3, "", "no answer"),
    (b"ok 11\n\x1b[2J\r\x9b\0\t\xff~\n", 0, "?[2J?????~\n", ""),
    (b"error 6\n\x1b]0;x\n", 1, "", "?]0;x\n"),
    (b"ok 6\n", 3, "", "cut off"),
    (b"ok 7\nhello\n", 3, None, "cut off"),
    (b"ok 100000\n" + b"x" * 99999, 3, None, "cut off"),
    (b"ok 99999999999999999999999\nhello\n", 3, None, "cut off"),
    (b"error 7\nwrong\n", 3, "", "cut off"),
    (b"TEMP malformed request\n", 3, "", "no answer"),
    (b"maybe 6\nhello\n", 3, "", "no answer"),
    (b"400 6\nhello\n", 3, "", "no answer"),
]


@pytest.mark.parametrize("said, status, printed, told", SAID)
def test_what_a_daemon_may_say(fake, said, status, printed, told):
    path, says = fake
    says.append(said)
    found, out, err = run("explain", "-s", path, "x.example")
    assert found == status, (out, err)
    assert printed is None or out == printed
    assert told in err and ("" != err) == ("" != told)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_notices_a_cut_answer(fake, command):
    path, says = fake
    says.append(b"ok 10\nhello")
    assert run(*with_socket(command, path))[0] == 3
