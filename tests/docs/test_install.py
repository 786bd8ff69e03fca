"""make install puts a working whole into place, and leaves a site's own files alone."""

import re
import subprocess

import pytest
from harness.mapfile import ONIONMAP
from harness.proc import BUILD, REPO


def install(root):
    done = subprocess.run(
        ["make", f"B={BUILD}", "PREFIX=/usr", f"DESTDIR={root}", "install"],
        cwd=REPO,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def root(tmp_path):
    install(tmp_path)
    return tmp_path


def test_what_is_installed(root):
    for path in (
        "etc/onionmxd/onionmxd.conf",
        "etc/onionmxd/domains.txt",
        "etc/onionmxd/domains.cdb",
        "usr/bin/onionmap",
        "usr/lib/systemd/system/onionmxd.service",
        "usr/lib/sysusers.d/onionmxd.conf",
        "usr/sbin/onionmxd",
        "usr/share/doc/onionmxd/LICENSE",
        "usr/share/doc/onionmxd/exim/router",
        "usr/share/doc/onionmxd/postfix/main.cf",
        "usr/share/doc/onionmxd/systemd/local-only.conf",
        "usr/share/doc/onionmxd/torrc",
        "usr/share/doc/onionmxd/torrc-service",
        "usr/share/man/man1/onionmap.1",
        "usr/share/man/man5/onionmxd.conf.5",
        "usr/share/man/man8/onionmxd.8",
    ):
        assert (root / path).is_file(), path
    unit = (root / "usr/lib/systemd/system/onionmxd.service").read_text()
    assert "ExecStart=/usr/sbin/onionmxd -f\n" in unit
    assert not re.search(r"@[A-Z]+@", unit)


def test_the_installed_map_answers(root):
    path = root / "etc/onionmxd/domains.cdb"
    done = subprocess.run(
        [*ONIONMAP, "query", path, "user@riseup.net"], capture_output=True, text=True
    )
    assert done.returncode == 0 and ".onion" in done.stdout, done


def test_a_sites_own_files_stay(root):
    own = ("onionmxd.conf", "domains.txt", "domains.cdb")
    for name in own:
        (root / "etc/onionmxd" / name).write_text("the site's own")
    install(root)
    for name in own:
        assert (root / "etc/onionmxd" / name).read_text() == "the site's own"
