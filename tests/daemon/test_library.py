"""The c-ares that the daemon was built with, and the one that it runs with. What changed
with 1.31 (a cache, and its own timeouts) is told to it when it is built."""

import re
import subprocess

import pytest

from harness import behaviours as does
from harness import preload
from harness.clients import ROUTE
from harness.daemon import ALONE, ONIONMXD
from harness.proc import SLACK

NEWER = (1, 31, 0)

VERSION = """\
const char *
ares_version(int *version)
{{
	if (version)
		*version = {} << 16 | {} << 8 | {};
	return "{}";
}}
"""

LATER = ["1.31.0", "1.34.5", "2.0.0"]
EARLIER = ["1.18.1", "1.30.0"]


def numbers(version):
    return tuple(map(int, version.split(".")))


@pytest.fixture(scope="module")
def header():
    """The version of the headers, which the daemon was built with."""
    done = subprocess.run(
        ["cc", "-E", "-P", "-x", "c", "-"],
        input="#include <ares_version.h>\nVERSION ARES_VERSION_STR\n",
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = re.search(r'^VERSION "(\d+\.\d+\.\d+)"$', done.stdout, re.M)
    return found[1]


def pretend(lab, version):
    """What stands before a command so that its c-ares calls itself that."""
    return preload.make(lab.dir, "ares", VERSION.format(*numbers(version), version))


def refusal(header, version):
    return (
        f"onionmxd: error: built with c-ares {header}, but this system has {version}, "
        "which behaves differently: rebuild onionmxd\n"
    )


def fits(header, version):
    return numbers(header) >= NEWER or numbers(version) < NEWER


@pytest.mark.parametrize("version", LATER + EARLIER)
def test_start(lab, header, version):
    dns = lab.dns()
    dns.on("x.example", does.one("x"))
    daemon = lab.make_daemon(dns=dns, prefix=pretend(lab, version))
    if fits(header, version):
        daemon.start()
        assert daemon.ask("tcp_table", "x.example").outcome == ROUTE
        assert "rebuild" not in daemon.output()
        daemon.terminate()
    else:
        super(type(daemon), daemon).start()
        assert daemon.wait() == 1
        assert daemon.output() == refusal(header, version)
        assert not dns.seen and not dns.root_seen


@pytest.mark.parametrize("version", LATER + EARLIER)
@pytest.mark.parametrize("options", [["-t"], ["-f"], []], ids=" ".join)
def test_before_all_else(lab, header, version, options):
    """It may be checked before a restart: what would refuse that is told. One that is
    wrong is no excuse."""
    config = lab.dir / "conf"
    config.write_text(ALONE if "-t" in options else "nonsense = 1\n")
    done = subprocess.run(
        [*pretend(lab, version), *ONIONMXD, *options, "-c", config],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=20 * SLACK,
    )
    if fits(header, version):
        assert "rebuild" not in done.stdout
        assert done.returncode == (0 if "-t" in options else 1), done
    else:
        assert done.stdout == refusal(header, version) and done.returncode == 1


def test_unpretended(lab, header):
    """The preloaded function is called at all, and the header is that of the library."""
    done = subprocess.run(
        ["cc", "-x", "c", "-", "-lcares", "-o", lab.dir / "version"],
        input="#include <ares.h>\n#include <stdio.h>\n"
        "int main(void) { return puts(ares_version(NULL)) < 0; }\n",
        text=True,
    )
    assert done.returncode == 0
    run = lambda *prefix: subprocess.check_output([*prefix, lab.dir / "version"], text=True)
    assert run() == header + "\n"
    assert run(*pretend(lab, "2.0.0")) == "2.0.0\n"
