"""Where the daemon listens."""

import os
import socket
import stat
import subprocess
import sys

import pytest

from harness.clients import ROUTE, TEMP
from harness.onion import onion
from harness.proc import Process, free_port

MAP = f"a.example {onion(1)}\n"


def one_listener(lab, **options):
    address = f"unix:{lab.dir}/x.sock"
    return {"x": {"protocol": "socketmap", "address": address, **options}}


def fails_to_start(daemon):
    Process.start(daemon)  # doesn't wait for it to be ready
    return daemon.wait() == 1


def test_a_stale_socket_is_replaced(lab):
    daemon = lab.daemon(map=MAP)
    daemon.kill()
    assert all(path.is_socket() for path in daemon.unix_paths())
    daemon.hang_up()
    daemon.start()
    for listener in ("tcp_table", "socketmap"):
        assert daemon.ask(listener, "a.example").outcome == ROUTE
    daemon.terminate()


def test_a_live_socket_is_not(lab):
    daemon = lab.daemon(one_listener(lab), map=MAP)
    other = lab.make_daemon(one_listener(lab), map=lab.dir / "domains.cdb")
    assert fails_to_start(other)
    assert "x.sock" in other.output()
    assert daemon.client("x").ask("a.example").outcome == ROUTE


def test_a_busy_port(lab):
    with socket.create_server(("127.0.0.1", free_port("127.0.0.1"))) as server:
        address = "127.0.0.1:%d" % server.getsockname()[1]
        sock = lab.dir / "first.sock"
        daemon = lab.make_daemon(
            {
                "first": {"protocol": "socketmap", "address": f"unix:{sock}"},
                "x": {"protocol": "tcp_table", "address": address},
            }
        )
        assert fails_to_start(daemon)
    said = f"listener x: can't bind {address}: Address already in use (another process is "
    assert said in daemon.output()
    assert not sock.exists()


def test_a_directory_that_is_missing(lab):
    path = lab.dir / "none/x.sock"
    daemon = lab.make_daemon(one_listener(lab, address=f"unix:{path}"))
    assert fails_to_start(daemon)
    said = f"listener x: can't bind {path}: No such file or directory (the directory must exist)"
    assert said in daemon.output()


@pytest.mark.parametrize("what", ["file", "directory", "link", "fifo"])
def test_what_is_no_socket_is_left_alone(lab, what):
    path = lab.dir / "x.sock"
    if what == "file":
        path.write_text("precious")
    elif what == "directory":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    else:
        (lab.dir / "target").write_text("precious")
        path.symlink_to(lab.dir / "target")
    before = os.lstat(path)
    daemon = lab.make_daemon(one_listener(lab))
    assert fails_to_start(daemon)
    assert "x.sock" in daemon.output()
    assert os.lstat(path).st_ino == before.st_ino


def test_no_directory(lab):
    daemon = lab.make_daemon(one_listener(lab, address=f"unix:{lab.dir}/no/x.sock"))
    assert fails_to_start(daemon)
    assert "x" in daemon.output()


@pytest.mark.parametrize("mode", ["0666", "0600", "0660", "0777"])
def test_mode(lab, mode):
    daemon = lab.daemon(one_listener(lab, mode=mode))
    found = stat.S_IMODE(daemon.unix_path("x").stat().st_mode)
    assert found == int(mode, 8)


def test_default_mode(lab):
    daemon = lab.daemon(one_listener(lab))
    assert stat.S_IMODE(daemon.unix_path("x").stat().st_mode) == 0o666


@pytest.mark.parametrize(
    "options, owner, group",
    [
        ({"owner": "daemon", "group": "mail"}, "daemon", "mail"),
        ({"owner": "1"}, "daemon", None),
        ({"group": "8"}, None, "mail"),
    ],
)
def test_owner_and_group(lab, options, owner, group):
    """As root."""
    path = lab.daemon(one_listener(lab, **options)).unix_path("x")
    if owner:
        assert path.owner() == owner
    if group:
        assert path.group() == group


CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


@pytest.mark.parametrize("mode, works", [("0666", True), ("0600", False)])
def test_other_users(lab, mode, works):
    """Mail servers have users of their own."""
    daemon = lab.daemon(one_listener(lab, mode=mode))
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    connect = [sys.executable, "-I", "-c", CONNECT, daemon.unix_path("x")]
    done = subprocess.run(user + connect, capture_output=True)
    assert (done.returncode == 0) == works, done.stderr


def test_ipv6(lab):
    address = f"[::1]:{free_port('::1')}"
    options = {"address": address, "protocol": "tcp_table"}
    daemon = lab.daemon({"x": options}, map=MAP)
    assert daemon.ask("x", "a.example").outcome == ROUTE
    daemon.terminate()


@pytest.mark.parametrize("protocol", ["readsocket", "tcp_table", "socketmap"])
@pytest.mark.parametrize("unix", [True, False])
def test_any_protocol_on_any_address(lab, protocol, unix):
    options = {"protocol": protocol, "deadline_ms": 5000}
    if not unix:
        options["address"] = f"127.0.0.1:{free_port('127.0.0.1')}"
    tor = lab.tor()
    daemon = lab.daemon(one_listener(lab, **options), tor=tor, map=MAP)
    assert daemon.ask("x", "a.example").outcome == ROUTE
    daemon.terminate()


def test_a_socket_that_somebody_replaced_is_not_removed(lab):
    """At its end the daemon removes its own socket, not that of its successor."""
    daemon = lab.daemon(one_listener(lab), map=MAP)
    path = daemon.unix_path("x")
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        daemon.signal(15)
        assert daemon.wait() == 0
        assert path.is_socket()


def test_defaults_of_a_listener(lab):
    """readsocket answers with addresses, the others with names."""
    tor = lab.tor()
    listeners = lab.listeners()
    listeners = {n: listeners[n] for n in ("readsocket", "tcp_table", "socketmap")}
    for options in listeners.values():
        del options["answer"], options["deadline_ms"]
    daemon = lab.daemon(listeners, tor=tor, map=MAP)
    for listener in ("tcp_table", "socketmap"):
        value = f"smtptor:[{onion(1)}]:25"
        assert daemon.ask(listener, "a.example") == (ROUTE, value)
    answer = daemon.ask("readsocket", "a.example")
    assert answer in ((ROUTE, tor.resolve(onion(1))), (TEMP, "tor timed out"))
