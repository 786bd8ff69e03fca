"""make install puts a working whole into place, and leaves a site's own files alone; make
uninstall takes it away again."""

import os
import re
import subprocess

import pytest
from harness.mapfile import ONIONMAP
from harness.proc import BUILD, REPO

SITE = {f"etc/onionmxd/{name}" for name in ("onionmxd.conf", "domains.txt", "domains.cdb")}
DOC = "usr/share/doc/onionmxd"


def make(target, root, umask=0o022):
    done = subprocess.run(
        ["make", f"B={BUILD}", "PREFIX=/usr", f"DESTDIR={root}", target],
        cwd=REPO,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.umask(umask),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def files(root):
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def root(tmp_path):
    make("install", tmp_path)
    return tmp_path


def test_what_is_installed(root):
    assert files(root) > SITE | {
        "usr/bin/onionmap",
        "usr/lib/systemd/system/onionmxd.service",
        "usr/lib/sysusers.d/onionmxd.conf",
        "usr/lib/tmpfiles.d/onionmxd.conf",
        "usr/sbin/onionmxd",
        "usr/share/bash-completion/completions/onionmap",
        "usr/share/bash-completion/completions/onionmxd",
        "usr/share/man/man1/onionmap.1",
        "usr/share/man/man5/onionmxd.conf.5",
        "usr/share/man/man8/onionmxd.8",
        "usr/share/zsh/site-functions/_onionmap",
        "usr/share/zsh/site-functions/_onionmxd",
        *(f"{DOC}/conf/{name}" for name in ("exim/router", "postfix/main.cf", "torrc")),
        f"{DOC}/conf/torrc-service",
        *(f"{DOC}/conf/systemd/{path.name}" for path in REPO.glob("conf/systemd/*.conf")),
    }
    unit = (root / "usr/lib/systemd/system/onionmxd.service").read_text()
    assert "ExecStart=/usr/sbin/onionmxd -f\n" in unit
    assert not re.search(r"@[A-Z]+@", unit)


def test_links_of_the_documents_work(root):
    for document in (root / DOC).glob("*.md"):
        links = re.findall(r"\]\(([^)#]+)", document.read_text())
        assert links or document.name != "README.md"
        for link in links:
            assert "://" in link or (root / DOC / link).is_file(), (document.name, link)


@pytest.mark.parametrize("umask", [0o077, 0o002])
def test_umask_of_who_installs(tmp_path, root, umask):
    """A daemon that isn't root reads all of it, whatever it is."""
    own = tmp_path / "own"
    own.mkdir()
    make("install", own, umask)
    assert files(own) == {path for path in files(root) if not path.startswith("own/")}
    for path in own.rglob("*"):
        executable = path.is_dir() or path.parent.name in ("bin", "sbin")
        assert path.stat().st_mode & 0o777 == (0o755 if executable else 0o644), path


def test_uninstall(root):
    """The configuration stays, and what others have in directories that are shared."""
    other = root / "usr/share/man/man8/other.8"
    other.touch()
    make("uninstall", root)
    assert files(root) == SITE | {str(other.relative_to(root))}
    assert not (root / DOC).exists()


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
    make("install", root)
    for name in own:
        assert (root / "etc/onionmxd" / name).read_text() == "the site's own"
