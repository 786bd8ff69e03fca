"""Copies of the programs under test, and the environment that names them."""

import contextlib
import os
import pathlib
import platform
import shutil
import sys
import tempfile

from . import syscall_filter

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNIT = ROOT / "conf/systemd/onionmxd.service"
GROUP = ROOT / "conf/systemd/listener-group.conf"
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=98",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


@contextlib.contextmanager
def reachable(build, exim):
    """Copies of what was built, and of Exim as its packages have it, in a directory that every
    user may enter: that of the checkout may be its owner's alone, and the mail servers have
    users of their own."""
    with tempfile.TemporaryDirectory(prefix="omx") as name:
        copies = pathlib.Path(name)
        copies.chmod(0o755)
        closed = [path for path in copies.parents if not path.stat().st_mode & 0o001]
        if closed and os.geteuid() == 0:
            sys.exit(f"the tests have several users, and {closed[0]} is closed to "
                     "others; set TMPDIR to a directory that isn't")
        sources = [build / "onionmxd", build / "onionmap"]
        sources += [path for suite in ("daemon", "bench", "attack", "harness")
                    for path in build.glob(f"tests/{suite}/*")]
        targets = [copies / source.relative_to(build) for source in sources]
        unpacked = [*exim.glob("usr/sbin/*exim4*"), *exim.glob("etc/exim4/**/*")]
        unpacked = [path for path in unpacked if path.is_file()]
        targets += [copies / path.relative_to(exim) for path in unpacked]
        for source, target in zip(sources + unpacked, targets):
            if source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
                target.chmod(source.stat().st_mode | 0o055)
        yield copies


def daemon_command(programs):
    """How the tests start the daemon. Beside the filter is one for listeners with a group."""
    daemon = programs / "onionmxd"
    if not daemon.exists() or b"__asan_init" in daemon.read_bytes():
        return [daemon]
    code = programs / "filter"
    unit, group = UNIT.read_text(), GROUP.read_text()
    for path, text in (code, unit), (programs / "filter+group", unit + group):
        names = syscall_filter.allowed(text)
        path.write_bytes(syscall_filter.program(platform.machine(), names))
    return [programs / "tests/harness/filtered", code, daemon]


def variables(programs, build, slack):
    """What the environment of the tests has: the directory of these copies, the build
    that they are from, and the factor of what is allowed."""
    return {
        **SANITIZERS,
        "ONIONMXD": " ".join(map(str, daemon_command(programs))),
        "ONIONMAP": str(programs / "onionmap"),
        "EXIM": str(programs / "usr/sbin/exim4"),
        "ONIONMXD_BUILD": str(build),
        "ONIONMXD_SLACK": str(slack),
    }
