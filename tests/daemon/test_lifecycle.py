"""Start, signals, end."""

import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness import behaviours as does
from harness.clients import ROUTE, TEMP, connect, read_all
from harness.daemon import ONIONMXD
from harness.onion import onion
from harness.proc import SLACK, Process, wait_until

MAP = f"a.example {onion(1)}\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_orderly_end(lab, number):
    daemon = lab.daemon(map=MAP)
    daemon.ask("tcp_table", "a.example")
    daemon.signal(number)
    assert daemon.wait() == 0
    assert not any(path.exists() for path in daemon.unix_paths())


def asked(daemon, listener, key):
    s = connect(daemon.address(listener))
    s.sendall(daemon.client(listener).request(key))
    return s


@pytest.mark.parametrize("listener", ["readsocket", "tcp_table", "socketmap"])
def test_what_is_owed_is_answered(lab, listener):
    """The right answer, though it comes after SIGTERM; then the connection ends."""
    dns = lab.dns()
    dns.on("slow.example", does.delay(1, does.one("slow")))
    daemon = lab.daemon(dns=dns, tor=lab.tor())
    with asked(daemon, listener, "slow.example") as s:
        wait_until(lambda: daemon.counter("lookups") == 1, "the question")
        daemon.signal(signal.SIGTERM)
        answer = daemon.client(listener).read(s)
        assert answer.outcome == ROUTE
        assert read_all(s) == b""
    assert daemon.wait() == 0


@pytest.mark.parametrize("listener", ["readsocket", "tcp_table", "socketmap"])
def test_what_is_owed_is_answered_by_the_deadline(lab, listener):
    dns = lab.dns()
    dns.on("silent.example", does.silence())
    daemon = lab.daemon(lab.listeners(deadline_ms=800), dns=dns)
    with asked(daemon, listener, "silent.example") as s:
        wait_until(lambda: daemon.counter("lookups") == 1, "the question")
        daemon.signal(signal.SIGTERM)
        assert daemon.client(listener).read(s).outcome == TEMP
    assert daemon.wait() == 0


def test_nobody_new_while_ending(lab):
    dns = lab.dns()
    dns.on("slow.example", does.delay(1.5, does.one("slow")))
    daemon = lab.daemon(dns=dns)
    with asked(daemon, "tcp_table", "slow.example") as s:
        wait_until(lambda: daemon.counter("lookups") == 1, "the question")
        daemon.signal(signal.SIGTERM)
        wait_until(
            lambda: not any(p.exists() for p in daemon.unix_paths()), "no more sockets"
        )
        assert daemon.alive()
        with pytest.raises(ConnectionRefusedError):
            connect(daemon.address("tcp_table"))
        assert daemon.client("tcp_table").read(s).outcome == ROUTE
    assert daemon.wait() == 0


def test_idle_clients_do_not_hold_up_the_end(lab):
    daemon = lab.daemon(map=MAP)
    idle = [connect(daemon.address(name)) for name in daemon.listeners] * 3
    daemon.ask("tcp_table", "a.example")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(5) == 0
    for s in idle:
        s.close()


def test_pipelined_questions_at_the_end(lab):
    """All that came in before SIGTERM are answered."""
    dns = lab.dns()
    for i in range(50):
        dns.on(f"d{i}.example", does.delay(0.5, does.one(i)))
    daemon = lab.daemon(dns=dns)
    client = daemon.client("tcp_table")
    with connect(daemon.address("tcp_table")) as s:
        s.sendall(b"".join(client.request(f"d{i}.example") for i in range(50)))
        wait_until(lambda: daemon.counter("lookups") == 50, "the questions")
        daemon.signal(signal.SIGTERM)
        with s.makefile("rb") as file:
            hosts = [client.next_answer(file).hosts() for _ in range(50)]
            assert file.read() == b""
    assert hosts == [[onion(i)] for i in range(50)]
    assert daemon.wait() == 0


def test_restart_under_load(lab):
    """Each question is answered rightly or meets a closed door: never half an answer."""
    daemon = lab.daemon(map=MAP)
    faults, stop = [], threading.Event()

    def ask_on(listener):
        while not stop.is_set():
            try:
                answer = daemon.client(listener).ask("a.example")
                if answer.outcome != ROUTE:
                    faults.append(answer)
            except (ConnectionRefusedError, FileNotFoundError):
                time.sleep(0.01)
            except Exception as error:  # noqa: BLE001
                faults.append(error)

    threads = [threading.Thread(target=ask_on, args=("socketmap",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        time.sleep(0.2)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        daemon.start()
    stop.set()
    for thread in threads:
        thread.join()
    # At the end a connection may be accepted by the kernel but not by the daemon.
    resets = [f for f in faults if isinstance(f, (ConnectionResetError, BrokenPipeError))]
    assert [f for f in faults if f not in resets] == []


def pid_in(path):
    return int(path.read_text()) if path.exists() and path.read_text().strip() else None


def test_pid_file(lab):
    daemon = lab.daemon(map=MAP, pid_file=str(lab.dir / "pid"))
    assert pid_in(lab.dir / "pid") == daemon.pid
    daemon.terminate()
    assert not (lab.dir / "pid").exists()


def test_pid_file_that_cannot_be_written(lab):
    daemon = lab.make_daemon(map=MAP, pid_file=str(lab.dir / "no" / "pid"))
    done = subprocess.run(daemon.args, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "no/pid" in done.stderr
    assert not any(path.exists() for path in daemon.unix_paths())


def test_in_the_background(lab):
    """The parent ends when the daemon serves."""
    pid_file = lab.dir / "pid"
    daemon = lab.make_daemon(map=MAP, pid_file=str(pid_file))
    done = subprocess.run(
        [*ONIONMXD, "-c", daemon.config],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=20,
    )
    assert done.returncode == 0
    # Its sockets are there already: who asks now waits at most a moment.
    assert daemon.ask("socketmap", "a.example").outcome == ROUTE
    pid = wait_until(lambda: pid_in(pid_file), "the pid file")
    try:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        assert int(fields[3]) == pid or int(fields[4]) == 0, "has a terminal"
    finally:
        daemon.hang_up()
        subprocess.run(["kill", str(pid)], check=True)
    wait_until(lambda: not pid_file.exists(), "its end")
    assert not any(path.exists() for path in daemon.unix_paths())


@pytest.mark.parametrize("closed", ["0 1 2", "0", "1", "2"])
def test_in_the_background_without_standard_streams(lab, closed):
    """None of its sockets and files is taken for a standard stream."""
    pid_file = lab.dir / "pid"
    daemon = lab.make_daemon(map=MAP, pid_file=str(pid_file))
    close = " ".join(f"{fd}>&-" for fd in closed.split())
    subprocess.run(
        ["sh", "-c", f'exec "$@" {close}', "sh", *ONIONMXD, "-c", daemon.config],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=20 * SLACK,
        check=True,
    )
    pid = wait_until(lambda: pid_in(pid_file), "the pid file")
    try:
        for fd in range(3):
            assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null"
        for listener in daemon.listeners:
            assert daemon.ask(listener, "b.example").outcome == TEMP
        daemon.onionmap("counters")
    finally:
        daemon.hang_up()
        subprocess.run(["kill", str(pid)], check=True)
    wait_until(lambda: not pid_file.exists(), "its end")


def test_in_the_background_a_fault_is_seen(lab):
    daemon = lab.make_daemon(map=lab.dir / "none.cdb")
    done = subprocess.run(
        [*ONIONMXD, "-c", daemon.config], capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 1 and "none.cdb" in done.stderr


def test_the_environment_is_not_the_event_loops(lab):
    """It would take poll(2), or none at all."""
    daemon = lab.make_daemon(map=MAP)
    ways = ("EPOLL", "POLL", "SELECT")
    daemon.args = ["env", *[f"EVENT_NO{way}=1" for way in ways], *daemon.args]
    daemon.start()
    files = [os.readlink(path) for path in Path(f"/proc/{daemon.pid}/fd").iterdir()]
    assert "anon_inode:[eventpoll]" in files


def test_signals_change_nothing(lab):
    daemon = lab.daemon(map=MAP)
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE) * 5:
        daemon.signal(number)
        assert daemon.ask("tcp_table", "a.example").outcome == ROUTE
    daemon.terminate()


def test_without_resolver_and_tor(lab):
    """It starts before they do."""
    daemon = lab.daemon(map=MAP, dns_timeout_ms=100, dns_tries=1)
    assert daemon.ask("tcp_table", "a.example").outcome == ROUTE
    assert daemon.ask("tcp_table", "b.example").outcome == TEMP
    assert daemon.ask("readsocket", "a.example").outcome == TEMP


def test_readiness_is_announced(lab):
    """sd_notify(3), for Type=notify."""
    path = lab.dir / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(path))
        s.settimeout(20)
        daemon = lab.make_daemon(map=MAP)
        daemon.args = ["env", f"NOTIFY_SOCKET={path}", *daemon.args]
        daemon.start()
        assert b"READY=1" in s.recv(1000)
        daemon.signal(signal.SIGTERM)
        assert b"STOPPING=1" in s.recv(1000)
        assert daemon.wait() == 0


def test_counters_at_any_log_level(lab):
    """Who asks for them gets them."""
    daemon = lab.make_daemon(map=MAP, log_level="error")
    Process.start(daemon)  # it doesn't say when it is ready
    wait_until(lambda: connectable(daemon), "the daemon")
    assert daemon.ask("tcp_table", "a.example").outcome == ROUTE
    assert daemon.counter("map_hits") == 1


def connectable(daemon):
    try:
        connect(daemon.address("tcp_table")).close()
        return True
    except OSError:
        return False
