"""Whom the daemon belongs to, and its files and sockets. All as root."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from harness import behaviours as does
from harness import preload
from harness.bridged import NET, connect_to, free_bridge_port, where
from harness.clients import ROUTE
from harness.daemon import ONIONMXD
from harness.onion import onion
from harness.proc import SLACK, Process, wait_until

MAP = f"a.example {onion(1)}\n"
USER = "nobody"
UID, GID = 65534, 65534
AS_USER = ["setpriv", f"--reuid={UID}", f"--regid={GID}", "--clear-groups"]


@pytest.fixture
def own(lab):
    """A directory of the user's own, as a service manager makes it."""
    path = lab.dir / "own"
    path.mkdir()
    os.chown(path, UID, GID)
    return path


def listeners(path):
    address = f"unix:{path}/x.sock"
    return {"x": {"protocol": "socketmap", "address": address, "deadline_ms": 10000}}


def make(lab, own, **settings):
    """A daemon that changes to the user, with all of its files in a directory of his."""
    defaults = {
        "user": USER,
        "map": MAP,
        "control": f"unix:{own}/control.sock",
        "state_dir": str(own),
    }
    return lab.make_daemon(listeners(own), **{**defaults, **settings})


def fails_to_start(daemon):
    """What it says."""
    before = len(daemon.output())
    Process.start(daemon)
    assert daemon.wait() == 1
    return daemon.output()[before:]


def status_of(process):
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return {name: value.split() for name, value in (x.split(":", 1) for x in lines)}


# The user


def test_root_is_refused(lab):
    daemon = lab.make_daemon(map=MAP, user="")
    said = fails_to_start(daemon)
    assert not any(path.exists() for path in daemon.unix_paths())
    assert said.startswith('onionmxd: error: started as root: set "user"')
    assert len(said.splitlines()) == 1


def test_root_is_refused_in_the_background(lab):
    daemon = lab.make_daemon(map=MAP, user="")
    done = subprocess.run(
        [*ONIONMXD, "-c", daemon.config],
        capture_output=True,
        text=True,
        timeout=20 * SLACK,
    )
    assert done.returncode == 1 and "started as root" in done.stderr


def test_root_may_check_the_configuration(lab):
    daemon = lab.make_daemon(map=MAP, user="")
    subprocess.run([*ONIONMXD, "-t", "-c", daemon.config], check=True)


@pytest.mark.parametrize("user", [USER, str(UID), "4711"])
def test_root_is_left_for_ever(lab, own, user):
    number = 4711 if user == "4711" else UID
    os.chown(own, number, number)
    daemon = make(lab, own, user=user)
    daemon.args = ["setpriv", "--groups=0,4,8", *daemon.args]
    daemon.start()
    status = status_of(daemon)
    assert status["Uid"] == [str(number)] * 4
    assert status["Gid"] == [str(number)] * 4
    assert set(status["Groups"]) <= {str(number)}
    for kind in ("Inh", "Prm", "Eff", "Amb"):
        assert int(status["Cap" + kind][0], 16) == 0
    assert daemon.ask("x", "a.example").outcome == ROUTE
    for path in daemon.unix_paths():
        found = path.stat()
        assert (found.st_uid, found.st_gid) == (number, number)
    daemon.terminate()


def test_all_works_as_the_user(lab, own):
    """The map is loaded again, the state kept, the bridge serves, the sockets go."""
    dns = lab.dns()
    dns.on("x.example", does.one("x"))
    socks = lab.socks()
    daemon = make(
        lab,
        own,
        dns=dns,
        pin_srv="yes",
        bridge_network=NET,
        bridge_port=free_bridge_port(),
        bridge_users=["root"],
        socks=[socks.address],
    )
    daemon.listeners["x"]["answer"] = "bridge"
    daemon.write_config()
    daemon.start()
    with connect_to(where(daemon, "x.example", "x")) as s:
        s.sendall(b"echo")
        assert s.recv(4) == b"echo"
    lab.map(f"b.example {onion(2)}\n")
    wait_until(lambda: daemon.counted("map_loads") == 2, "the new map")
    assert daemon.ask("x", "b.example").outcome == ROUTE
    daemon.terminate()
    for name in ("cache", "pins", "bridge", "bridge.key"):
        found = (own / name).stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (UID, 0o600)


def test_an_owner_of_a_socket_is_not_the_user(lab, own):
    daemon = make(lab, own)
    daemon.listeners["x"].update(owner="daemon", group="mail", mode="0660")
    daemon.write_config()
    daemon.start()
    found = daemon.unix_path("x").stat()
    assert (found.st_uid, found.st_gid) == (1, 8)
    assert stat.S_IMODE(found.st_mode) == 0o660


def test_only_root_can_change_to_another_user(lab, own):
    daemon = make(lab, own, user="daemon")
    daemon.args = [*AS_USER, *daemon.args]
    assert "user = daemon: only a daemon that is started as root" in fails_to_start(daemon)


def test_who_is_the_user_already_may_start(lab, own):
    daemon = make(lab, own)
    daemon.args = [*AS_USER, *daemon.args]
    daemon.start()
    assert daemon.ask("x", "a.example").outcome == ROUTE


KEEPS = """\
#include <unistd.h>

int
setresuid(uid_t r, uid_t e, uid_t s)
{
	return setreuid(-1, e == (uid_t)-1 ? r : e);
}
"""


def test_root_that_is_not_left_is_noticed(lab, own):
    """The function says that it has changed the user, and only the effective one has."""
    daemon = make(lab, own)
    env = [*preload.make(lab.dir, "keeps", KEEPS), "ASAN_OPTIONS=detect_leaks=0"]
    daemon.args = [*env, *daemon.args]
    assert "rights of root are left" in fails_to_start(daemon)


# What others of the machine may see


@pytest.mark.parametrize("user", [USER, "root"])
def test_no_core_file_and_no_reader(lab, own, user):
    daemon = make(lab, own, user=user)
    os.chown(own, *((UID, GID) if user == USER else (0, 0)))
    daemon.start()
    limits = Path(f"/proc/{daemon.pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.M)
    # Of a process that can't be dumped these files belong to root.
    assert os.stat(f"/proc/{daemon.pid}/environ").st_uid == 0
    for name in ("environ", "maps"):
        read = [*AS_USER, "cat", f"/proc/{daemon.pid}/{name}"]
        assert subprocess.run(read, capture_output=True).returncode != 0


# The pid file


def pid_in(path):
    return path.exists() and path.read_text() != "" and int(path.read_text())


@pytest.mark.parametrize("there", ["nothing", "file", "symlink", "dangling", "hard link"])
def test_the_pid_file_is_new(lab, there):
    """It is never written through a link, and others can read it, whatever the umask."""
    path, other = lab.dir / "pid", lab.dir / "other"
    other.write_text("precious")
    if there == "file":
        path.write_text("1\n")
    elif there == "symlink":
        path.symlink_to(other)
    elif there == "dangling":
        path.symlink_to(lab.dir / "none")
    elif there == "hard link":
        os.link(other, path)
    daemon = lab.make_daemon(map=MAP, pid_file=str(path))
    daemon.args = ["sh", "-c", 'umask 077; exec "$@"', "sh", *daemon.args]
    daemon.start()
    assert path.read_text() == f"{daemon.pid}\n"
    assert stat.S_IMODE(os.lstat(path).st_mode) == 0o644
    assert stat.S_ISREG(os.lstat(path).st_mode)
    assert other.read_text() == "precious" and not (lab.dir / "none").exists()
    daemon.terminate()
    assert not path.exists() and other.exists()


def test_the_pid_file_is_roots(lab, own):
    """A user that could write it would choose whom root kills. As that user the daemon
    can't remove it where only root can write: it is empty then."""
    path = lab.dir / "pid"
    daemon = make(lab, own, pid_file=str(path)).start()
    assert path.stat().st_uid == 0 and pid_in(path) == daemon.pid
    daemon.terminate()
    assert path.read_text() == ""


def test_the_pid_file_of_another_stays(lab):
    path = lab.dir / "pid"
    daemon = lab.daemon(map=MAP, pid_file=str(path))
    path.unlink()
    path.write_text("4711\n")
    daemon.terminate()
    assert path.read_text() == "4711\n"


def test_no_pid_file_is_left_by_a_start_that_fails(lab):
    path, state = lab.dir / "pid", lab.dir / "state"
    state.mkdir(mode=0o777)
    state.chmod(0o777)
    daemon = lab.make_daemon(map=MAP, pid_file=str(path), state_dir=str(state))
    fails_to_start(daemon)
    assert not path.exists()


# Sockets

NO_CHMOD = """\
#include <errno.h>
#include <sys/stat.h>

int
chmod(const char *path, mode_t mode)
{
	errno = EPERM;
	return -1;
}
"""


@pytest.mark.parametrize("mode", ["0666", "0600", "0660", "0007"])
def test_a_socket_has_its_mode_from_the_start(lab, mode):
    """No moment passes, and nothing needs to be changed by its name."""
    daemon = lab.make_daemon(listeners(lab.dir), map=MAP)
    daemon.listeners["x"]["mode"] = mode
    daemon.write_config()
    daemon.args = [*preload.make(lab.dir, "nochmod", NO_CHMOD), *daemon.args]
    daemon.start()
    assert stat.S_IMODE(daemon.unix_path("x").stat().st_mode) == int(mode, 8)
    assert stat.S_IMODE(daemon.control.stat().st_mode) == 0o600


SWAP = """\
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

int
bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	int rc = syscall(SYS_bind, fd, sa, len);
	const char *path = ((const struct sockaddr_un *)sa)->sun_path;

	if (rc == 0 && sa->sa_family == AF_UNIX && path[0] == '/') {
		unlink(path);
		symlink(getenv("VICTIM"), path);
	}
	return rc;
}
"""


def test_a_socket_that_becomes_a_link_is_noticed(lab, own):
    """The owner of the directory replaces it: what the link points to stays root's."""
    victim = lab.dir / "victim"
    victim.write_text("precious")
    victim.chmod(0o600)
    daemon = make(lab, own)
    daemon.args = [
        *preload.make(lab.dir, "swap", SWAP),
        f"VICTIM={victim}",
        *daemon.args,
    ]
    assert "x.sock" in fails_to_start(daemon)
    found = victim.stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o600)


# The state


@pytest.mark.parametrize("mode", [0o770, 0o775, 0o702, 0o1777])
def test_nobody_else_may_write_the_state(lab, own, mode):
    own.chmod(mode)
    said = fails_to_start(make(lab, own))
    assert re.search(rf"state_dir {own} has the mode {mode:04o}: .*\(chmod go-w\)", said)


@pytest.mark.parametrize("user", [USER, "0"])
def test_the_state_is_not_anothers(lab, own, user):
    os.chown(own, 1, 1)
    said = fails_to_start(make(lab, own, user=user))
    number = UID if user == USER else 0
    assert f"state_dir {own} belongs to the user with the number 1" in said
    assert f"whose number is {number}" in said


@pytest.mark.parametrize("name", ["pins", "pins.tmp", "bridge", "bridge.key"])
def test_no_state_file_is_a_link(lab, name):
    """The bridge makes a new key, in the place of the link."""
    state, other = lab.dir / "state", lab.dir / "other"
    state.mkdir()
    other.write_text("precious")
    other.chmod(0o600)
    (state / name).symlink_to(other)
    daemon = lab.make_daemon(
        listeners(lab.dir),
        map=MAP,
        state_dir=str(state),
        pin_srv="yes",
        bridge_network=NET,
        bridge_port=free_bridge_port(),
    )
    daemon.listeners["x"]["answer"] = "bridge"
    daemon.write_config()
    if name == "bridge.key":
        said = daemon.start().output()
        daemon.terminate()
        assert stat.S_ISREG(os.lstat(state / name).st_mode)
    else:
        said = fails_to_start(daemon)
    assert f"{state}/{name.removesuffix('.tmp')}: " in said
    assert other.read_text() == "precious"


@pytest.mark.parametrize("what", ["link", "fifo", "directory"])
def test_the_cache_is_a_file(lab, what):
    """Another thing in its place is no cache, and nothing waits for it."""
    state, other = lab.dir / "state", lab.dir / "other"
    state.mkdir()
    other.write_text("precious")
    path = state / "cache"
    if what == "link":
        path.symlink_to(other)
    elif what == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    daemon = lab.daemon(map=MAP, state_dir=str(state))
    assert f"warning: can't read all of the cache from {path}" in daemon.output()
    if what == "directory":
        path.rmdir()
    daemon.terminate()
    assert other.read_text() == "precious"
    assert stat.S_ISREG(os.lstat(path).st_mode)
