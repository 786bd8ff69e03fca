"""What make check-release refuses, and the tarball of make dist."""

import re
import shutil
import subprocess
import tarfile

import documents as docs
import pytest
from harness.proc import REPO

VERSION = re.search(r'VERSION "(.+)"', docs.text("include/version.h"))[1]
FILES = ("include/version.h", "CHANGELOG.md", "debian/changelog", "tests/package/check-release")


def check(tree):
    done = subprocess.run(
        [tree / "tests/package/check-release"], capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def change(tmp_path):
    """A function that replaces a pattern in a file of a tree that may be released."""

    def change(path, pattern, new):
        file = tmp_path / path
        text, count = re.subn(pattern, new, file.read_text(), count=1, flags=re.M)
        assert count == 1, path
        file.write_text(text)
        return tmp_path

    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / name, tmp_path / name)
    shutil.copytree(REPO / "conf/man", tmp_path / "conf/man")
    change("CHANGELOG.md", r"^## \[.*", f"## [{VERSION}] - 2031-03-09")
    change("debian/changelog", r"UNRELEASED|unstable", "unstable")
    change("debian/changelog", r"^( -- .*>  ).*", r"\1Sun, 09 Mar 2031 10:00:00 +0000")
    for manual in (tmp_path / "conf/man").iterdir():
        change(manual, r"^\.Dd .*", ".Dd March 9, 2031")
    return change


def test_a_tree_that_agrees(change, tmp_path):
    assert check(tmp_path) == (0, f"{VERSION} of 2031-03-09\n")


@pytest.mark.parametrize(
    "path, pattern, new, said",
    [
        ("include/version.h", f'"{VERSION}"', '"9.9.9"', "version.h has 9.9.9"),
        ("CHANGELOG.md", r" - 2031-03-09$", " - unreleased", "no date"),
        ("CHANGELOG.md", r" - 2031-03-09$", " - 2031-03-08", "CHANGELOG.md of 2031-03-08"),
        ("debian/changelog", r"^onionmxd \(.*?\)", "onionmxd (9.9.9)", "changelog has 9.9.9"),
        ("debian/changelog", "unstable", "UNRELEASED", "says UNRELEASED"),
        ("debian/changelog", "09 Mar", "10 Mar", "10 Mar 2031"),
        ("conf/man/onionmap.1", "March 9", "March 8", "onionmap.1 is of March 8, 2031"),
    ],
)
def test_a_tree_that_does_not(change, path, pattern, new, said):
    status, output = check(change(path, pattern, new))
    assert status == 1 and said in output, output


def test_tarball(tmp_path):
    """It has what git has, or all that isn't built, and its checksum is right."""
    done = subprocess.run(
        [REPO / "tests/package/make-dist", tmp_path], capture_output=True, text=True
    )
    assert done.stdout == f"onionmxd-{VERSION}.tar.gz\n", done
    subprocess.run(["sha256sum", "-c", f"{done.stdout.strip()}.sha256"], cwd=tmp_path, check=True)
    with tarfile.open(tmp_path / done.stdout.strip()) as tar:
        names = tar.getnames()
    assert names == sorted(names)
    prefix = f"onionmxd-{VERSION}"
    assert {f"{prefix}/{x}" for x in (*FILES, "debian/rules", ".ci/run")} <= set(names)
    assert not [name for name in names if name.startswith((f"{prefix}/build/", f"{prefix}/.git/"))]
