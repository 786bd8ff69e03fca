"""The systemd unit: how much of the system a broken daemon could reach, what systemd says of
it, and the filter under which the tests of the daemon run."""

import os
import platform
import re
import shutil
import signal
import subprocess

import documents as docs
import pytest
from attack import memory
from harness import syscall_filter
from harness.proc import BUILD, REPO

SOURCES = REPO / "conf/systemd"
FILTERED = BUILD / "tests/harness/filtered"


def systemd_analyze(*args):
    done = subprocess.run(
        ["systemd-analyze", "--no-pager", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "SYSTEMD_COLORS": "0", "SYSTEMD_EMOJI": "0"},
    )
    return done.returncode, done.stdout


def installed(directory, *added):
    """The unit as make install leaves it, with a program that exists, and drop-ins."""
    unit = directory / "onionmxd.service"
    text = (SOURCES / unit.name).read_text()
    assert "@PREFIX@/sbin/onionmxd -f\n" in text
    unit.write_text(text.replace("@PREFIX@/sbin/onionmxd -f", "/bin/true -f"))
    for name in added:
        (directory / "onionmxd.service.d").mkdir(exist_ok=True)
        shutil.copy(SOURCES / name, directory / "onionmxd.service.d")
    return unit


def exposure(unit):
    status, said = systemd_analyze("security", "--offline=yes", unit)
    assert status == 0, said
    return float(re.search(r"Overall exposure level for \S+: ([\d.]+)", said)[1])


def test_exposure(tmp_path):
    assert exposure(installed(tmp_path)) <= 1.3
    assert exposure(installed(tmp_path, "local-only.conf")) <= 1.2


@pytest.mark.parametrize("added", [[], ["local-only.conf", "listener-group.conf"]])
def test_systemd_finds_nothing_wrong(tmp_path, added):
    status, said = systemd_analyze("verify", "--man=no", installed(tmp_path, *added))
    ours = [line for line in said.splitlines() if "onionmxd" in line]
    assert status == 0 and not ours, said


def test_the_memory_is_enough():
    """For full tables with the limits of the sample, and the kernel's buffers."""
    unit = docs.text("conf/systemd/onionmxd.service")
    allowed = int(re.search(r"^MemoryMax=(\d+)G$", unit, re.M)[1]) << 30
    clients = 3 * memory.default("max_clients") * 5 // 4
    pins = memory.documented()["max_pins"] * memory.default("max_pins") * 1024
    maps = 2 * memory.default("map_max_bytes")
    assert 1.5 * (memory.bound({}, clients) + pins + maps) < allowed


def test_every_drop_in_is_named():
    for path in SOURCES.glob("*.conf"):
        assert path.name in docs.text("README.md")
        assert path.name in docs.text("conf/systemd/onionmxd.service")


# The filter


def filtered(tmp_path, text, *command):
    """The exit status of a command under a unit's filter."""
    code = tmp_path / "filter"
    names = syscall_filter.allowed(text)
    code.write_bytes(syscall_filter.program(platform.machine(), names))
    return subprocess.run([FILTERED, code, *command], stderr=subprocess.PIPE).returncode


def test_what_the_unit_forbids_ends_a_test(tmp_path):
    file = tmp_path / "file"
    file.touch()
    unit = (SOURCES / "onionmxd.service").read_text()
    chown = ["/bin/chown", str(os.getuid()), file]
    assert filtered(tmp_path, unit, "/bin/ls", "-l", file) == 0
    assert filtered(tmp_path, unit, *chown) == -signal.SIGSYS
    assert filtered(tmp_path, unit, "/bin/nice", "-n", "1", "/bin/true") == -signal.SIGSYS
    more = unit + (SOURCES / "listener-group.conf").read_text()
    assert filtered(tmp_path, more, *chown) == 0
    assert filtered(tmp_path, more, "/bin/umount", tmp_path) == -signal.SIGSYS


def test_numbers_of_both_ends_of_a_range():
    values = {1, 2, 3, 7, 9, 10}
    assert syscall_filter.ranges(values) == [(1, 4), (7, 8), (9, 11)]
