"""Every limit: what happens at it, and its counter."""

import contextlib
import re
import subprocess
import sys
import time

import pytest

from harness import behaviours as does
from harness.clients import ROUTE, TEMP, connect, read_all
from harness.daemon import COUNTER_NAMES, ONIONMXD
from harness.onion import onion
from harness.proc import SLACK, wait_until

BUSY = "too many lookups at once"
MAP = f"a.example {onion(1)}\n"


def test_every_counter_is_logged(lab):
    daemon = lab.daemon()
    assert list(daemon.counters()) == COUNTER_NAMES
    assert len(COUNTER_NAMES) > 20


def test_a_thousand_connections_on_each_listener(lab):
    daemon = lab.daemon(tor=lab.tor(), map=MAP)
    crowd = {
        listener: [connect(daemon.address(listener)) for _ in range(1000)]
        for listener in daemon.listeners
    }
    for listener, sockets in crowd.items():
        request = daemon.client(listener).request("user@a.example")
        for s in sockets:
            s.sendall(request)
    for listener, sockets in crowd.items():
        client = daemon.client(listener)
        assert all(client.read(s).outcome == ROUTE for s in sockets)
    for sockets in crowd.values():
        for s in sockets:
            s.close()
    counters = daemon.counters()
    assert counters["clients"] == counters["answers_route"] == 5000
    assert counters["clients_refused"] == counters["accepts_paused"] == 0


@pytest.mark.parametrize("listener", ["readsocket", "tcp_table", "socketmap"])
def test_max_clients(lab, listener):
    daemon = lab.daemon(lab.listeners(max_clients=5), map=MAP)
    busy = {
        "readsocket": b"TEMP too many clients\n",
        "tcp_table": b"400 too%20many%20clients\n",
        "socketmap": b"21:TEMP too many clients,",
    }
    client = daemon.client(listener)
    part = 0 if listener == "readsocket" else 3  # to be silent is to be busy there
    clients = ask_many(daemon, listener, ["a.example"] * 5, part)
    for _ in range(3):
        with connect(daemon.address(listener)) as s:
            assert read_all(s) == busy[listener]
    counters = daemon.counters()
    assert (counters["clients_refused"], counters["clients_evicted"]) == (3, 0)
    assert daemon.counted(f"clients_refused.{listener}") == 3
    logged = f"counter clients_refused.{listener} 3\n"
    wait_until(lambda: logged in daemon.output(), "the listener's counter")
    # Each listener has a limit of its own.
    other = "tcp_table" if listener == "socketmap" else "socketmap"
    assert daemon.ask(other, "a.example").outcome == ROUTE
    assert daemon.counted(f"clients_refused.{other}") == 0
    clients.pop().close()

    def served():
        with connect(daemon.address(listener)) as s:
            try:
                s.sendall(client.request("user@[127.0.0.1]"))
                return client.read(s).outcome != TEMP
            except OSError:
                return False

    wait_until(served, "a free place")
    for s in clients:
        s.close()


def ask_many(daemon, listener, keys, part=None):
    """One connection for each key: all are asked at once, or so many bytes of it. Each
    speaks before the next one comes: else it could be idle, and make room."""
    client = daemon.client(listener)
    sockets = []
    for key in keys:
        sockets.append(connect(daemon.address(listener)))
        sockets[-1].sendall(client.request(key)[:part])
    return sockets


def answers(daemon, listener, s):
    client = daemon.client(listener)
    s.sendall(client.request("a.example"))
    return client.read(s).outcome == ROUTE


@pytest.mark.parametrize("listener", ["tcp_table", "socketmap"])
def test_the_longest_idle_makes_room(lab, listener):
    """One in the middle of something doesn't."""
    daemon = lab.daemon(lab.listeners(max_clients=5), map=MAP)
    request = daemon.client(listener).request("a.example")
    clients = [connect(daemon.address(listener)) for _ in range(5)]
    order = [2, 4, 3, 0, 1]
    assert all(answers(daemon, listener, clients[i]) for i in order)
    clients[2].sendall(request[:5])
    assert answers(daemon, listener, clients[4])
    for i in (3, 0):
        clients.append(connect(daemon.address(listener)))
        assert answers(daemon, listener, clients[-1])
        assert read_all(clients[i]) == b""
    clients[2].sendall(request[5:])
    assert daemon.client(listener).read(clients[2]).outcome == ROUTE
    assert all(answers(daemon, listener, clients[i]) for i in (1, 4, 5, 6))
    counters = daemon.counters()
    assert (counters["clients_refused"], counters["clients_evicted"]) == (0, 2)
    assert daemon.counted(f"clients_evicted.{listener}") == 2
    for s in clients:
        s.close()


def test_what_has_just_come_in_is_served(lab):
    """To a daemon that wasn't looking, the client seems idle."""
    daemon = lab.daemon(lab.listeners(max_clients=1), map=MAP)
    request = daemon.client("socketmap").request("a.example")
    for _ in range(20):
        with connect(daemon.address("socketmap")) as s:
            assert answers(daemon, "socketmap", s)
            daemon.pause()
            with connect(daemon.address("socketmap")):
                s.sendall(request)
                daemon.resume()
                assert daemon.client("socketmap").read(s).outcome == ROUTE


NOBODY = 65534

HOLD = """
import contextlib, socket, sys
address, count, say = sys.argv[1:]
if ":" in address:
    host, port = address.split(":")
    connect = lambda: socket.create_connection((host, int(port)), 60)
else:
    def connect():
        s = socket.socket(socket.AF_UNIX)
        s.connect(address)
        return s
held = []
for _ in range(int(count)):
    held.append(connect())
    with contextlib.suppress(OSError):  # it may be refused
        held[-1].sendall(say.encode())
print("ready", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def crowd_of_another(daemon, listener, count, say=""):
    """So many clients of another user, who all have said something."""
    address = daemon.address(listener)
    if address.startswith("unix:"):
        daemon.dir.chmod(0o711)
        address = daemon.unix_path(listener).name
    args = [sys.executable, "-c", HOLD, address, str(count), say]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        args, stdin=pipe, stdout=pipe, user=NOBODY, group=NOBODY, cwd=daemon.dir
    ) as other:
        assert other.stdout.readline() == b"ready\n"
        yield
        other.stdin.close()


@pytest.mark.parametrize("listener", ["tcp_table", "socketmap"])
def test_a_user_with_too_many_makes_room(lab, listener):
    """The clients of others stay, however long they have been idle."""
    daemon = lab.daemon(lab.listeners(max_clients=8), map=MAP, tor=lab.tor())
    mine = connect(daemon.address(listener))
    with crowd_of_another(daemon, listener, 50):
        wait_until(lambda: daemon.counted("clients_evicted") == 43, "the crowd")
        for _ in range(5):
            with connect(daemon.address(listener)) as s:
                assert answers(daemon, listener, s)
        assert answers(daemon, listener, mine)
    mine.close()
    assert daemon.counter("clients_refused") == 0


@pytest.mark.parametrize("listener", ["readsocket", "tcp_table", "socketmap"])
def test_a_user_that_is_always_busy_leaves_the_reserve(lab, listener):
    daemon = lab.daemon(lab.listeners(max_clients=8), map=MAP, tor=lab.tor())
    part = daemon.client(listener).request("a.example")[:3].decode()
    with crowd_of_another(daemon, listener, 12, part):
        wait_until(lambda: daemon.counted("clients_refused") == 4, "the crowd")
        for _ in range(5):
            with connect(daemon.address(listener)) as s:
                assert answers(daemon, listener, s)
    assert daemon.counter("clients_evicted") == 0


def ask_together(daemon, keys):
    """One client asks for all of them in one moment, so that none has waited for long
    when the last comes. Returns how each ended."""
    client = daemon.client("tcp_table")
    with connect(daemon.address("tcp_table")) as s:
        s.sendall(b"".join(client.request(key) for key in keys))
        # What needs no waiting is answered.
        assert daemon.ask("socketmap", "a.example").outcome == ROUTE
        with s.makefile("rb") as file:
            return [client.next_answer(file) for _ in keys]


def test_max_lookups(lab):
    dns = lab.dns()
    dns.on("slow.example", does.delay(1, does.one("slow")))
    daemon = lab.daemon(dns=dns, map=MAP, max_lookups=10)
    answers = ask_together(daemon, ["slow.example"] * 12)
    assert {a.outcome for a in answers[:10]} == {ROUTE}
    assert answers[10:] == [(TEMP, BUSY)] * 2
    assert daemon.counter("lookups_full") == 2
    assert daemon.ask("socketmap", "slow.example").outcome == ROUTE


def test_max_queries(lab):
    dns = lab.dns()
    for i in range(7):
        dns.on(f"slow{i}.example", does.delay(1, does.one(i)))
    daemon = lab.daemon(dns=dns, map=MAP, max_queries=5)
    names = [f"slow{i}.example" for i in range(7)]
    answers = ask_together(daemon, names[:5] * 2 + names[5:])
    assert {a.outcome for a in answers[:10]} == {ROUTE}
    assert answers[10:] == [(TEMP, BUSY)] * 2
    assert daemon.counter("queries_full") == 2
    assert daemon.ask("socketmap", names[5]).outcome == ROUTE


@pytest.mark.parametrize("listener", ["tcp_table", "socketmap"])
def test_pipeline(lab, listener):
    """More questions than one client may have pending: it waits, none is lost."""
    dns = lab.dns()
    for i in range(200):
        dns.on(f"d{i}.example", does.delay(0.1, does.one(i)))
    daemon = lab.daemon(dns=dns)
    client = daemon.client(listener)
    with connect(daemon.address(listener)) as s:
        s.sendall(b"".join(client.request(f"d{i}.example") for i in range(200)))
        with s.makefile("rb") as file:
            answers = [client.next_answer(file) for _ in range(200)]
    assert [a.hosts() for a in answers] == [[onion(i)] for i in range(200)]
    assert daemon.counter("pipeline_full") > 0


def test_routes_too_long_for_a_reply(lab):
    long = f"{'a' * 63}.{'b' * 63}"
    targets = [f"{long}.{onion(i)}" for i in range(16)]
    daemon = lab.daemon(map=f"long.example {', '.join(targets)}\n")
    for listener in ("tcp_table", "socketmap"):
        hosts = daemon.ask(listener, "long.example").hosts()
        assert 5 < len(hosts) < 16 and hosts == targets[: len(hosts)]
    assert daemon.counter("targets_left_out") == 2 * (16 - len(hosts))


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_out_of_file_descriptors(lab):
    """It waits, without spinning, and goes on when there are some again."""
    dns = lab.dns()
    dns.on("b.example", does.one("b"))
    tor = lab.tor()
    settings = {"nofile": 64, "client_timeout_ms": 600_000}
    daemon = lab.daemon(dns=dns, tor=tor, map=MAP, **settings)
    assert daemon.ask("tcp_table", "a.example").outcome == ROUTE
    crowd = ask_many(daemon, "socketmap", ["a.example"] * 100, part=3)
    wait_until(lambda: daemon.counter("accepts_paused") > 0, "the pause")
    # Those who are connected are served, and a lack of sockets for DNS isn't a "no".
    assert daemon.ask("tcp_table", "a.example").outcome == ROUTE
    assert daemon.ask("tcp_table", "b.example").outcome in (ROUTE, TEMP)
    before = cpu_seconds(daemon)
    time.sleep(1)
    assert cpu_seconds(daemon) - before < 0.3 * SLACK
    # Each of the other listeners has a reserve.
    for listener in ("readsocket", "tcp_table_address", "socketmap_address"):
        with connect(daemon.address(listener)) as s:
            assert answers(daemon, listener, s)
    for s in crowd:
        s.close()
    for listener in ("readsocket", "socketmap"):
        assert daemon.ask(listener, "a.example").outcome == ROUTE
    assert daemon.ask("socketmap", "b.example").outcome == ROUTE


TOO_FEW = re.compile(
    r"warning: the limit of 64 file descriptors is too low: this configuration may need 13477, "
    r"which are 12800 for clients of listeners, 0 for the bridge, 576 for DNS and 101 for "
    r"others; raise LimitNOFILE or lower max_clients\n"
    r".*warning: with this limit the listeners serve (\d+) clients at once, and the bridge 0\n"
)


def test_too_few_file_descriptors_are_told_of(lab):
    daemon = lab.daemon(map=MAP, nofile=64)
    clients = int(TOO_FEW.search(daemon.output())[1])
    assert 10 <= clients < 64 - daemon.open_files()


def test_enough_file_descriptors(lab):
    daemon = lab.daemon(lab.listeners(max_clients=4), map=MAP, nofile=576 + 101 + 5 * 5)
    assert "file descriptors" not in daemon.output()


def test_idle_clients_make_room_for_want_of_descriptors(lab):
    daemon = lab.daemon(map=MAP, nofile=64)
    crowd = [connect(daemon.address("socketmap")) for _ in range(100)]
    wait_until(lambda: daemon.counted("clients_evicted") >= 50, "room")
    with connect(daemon.address("socketmap")) as s:
        assert answers(daemon, "socketmap", s)
    assert daemon.counter("clients_refused") == 0
    for s in crowd:
        s.close()


# valgrind keeps descriptors for itself, and closes a connection that would take one.
@pytest.mark.skipif("valgrind" in ONIONMXD[0], reason="valgrind closes connections")
def test_the_crowd_waits_for_descriptors(lab):
    """More clients than descriptors: all are served in the end."""
    daemon = lab.daemon(tor=lab.tor(), map=MAP, nofile=64)
    # From here on it has its socket to tor.
    assert daemon.ask("readsocket", "a.example").outcome == ROUTE
    sockets = ask_many(daemon, "readsocket", ["a.example"] * 300)
    client = daemon.client("readsocket")
    assert {client.read(s).outcome for s in sockets} == {ROUTE}
