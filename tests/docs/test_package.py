"""debian/ agrees with the rest of the tree."""

import re
import subprocess

import documents as docs
from harness.proc import REPO

BUILD_ESSENTIAL = {"gcc", "libc6-dev", "make"}


def fields(path):
    """The fields of a file of debian/, those of all paragraphs."""
    found = re.findall(r"^([\w-]+):((?: .*)?(?:\n[ \t].*)*)", docs.text(path), re.M)
    return {name: " ".join(value.split()) for name, value in found}


def first_entry():
    """Version, maintainer and date of the newest entry of debian/changelog."""
    text = docs.text("debian/changelog")
    version = re.match(r"onionmxd \((.+?)\) ", text)[1]
    maintainer, date = re.search(r"^ -- (.+?)  (.+)$", text, re.M).groups()
    return version, maintainer, date


def test_version():
    version = re.search(r'VERSION "(.+)"', docs.text("include/version.h"))[1]
    assert first_entry()[0] == version


def test_maintainer():
    assert first_entry()[1] == fields("debian/control")["Maintainer"]


def test_what_building_needs():
    """The list of the Makefile is the only one; debian/control must have a copy."""
    listed = subprocess.check_output(
        ["make", "-s", "build-packages"], cwd=REPO, text=True
    ).split()
    needed = fields("debian/control")["Build-Depends"].strip(",").split(", ")
    assert needed[0].startswith("debhelper-compat ")
    assert needed[1:] == sorted(set(listed) - BUILD_ESSENTIAL)


def test_bound_of_c_ares_is_that_of_the_daemon():
    hexadecimal = re.search(
        r"with_query_cache = (0x\w+);", docs.text("daemon/net/dns_channel.c")
    )[1]
    number = int(hexadecimal, 16)
    version = f"{number >> 16}.{number >> 8 & 255}"
    assert f"\nchanged={version}\n" in docs.text("debian/c-ares-bound")
    assert number & 255 == 0


def test_copyright_has_the_licence():
    def plain(text):
        return " ".join(text.replace("\n .\n", "\n").split())

    holder, licence = docs.text("LICENSE").split("\n\n", 1)[1].split("\n\n", 1)
    text = docs.text("debian/copyright")
    assert plain(text.split("License: ISC\n")[1]) == plain(licence)
    assert f"Copyright: {holder.removeprefix('Copyright (c) ')}\n" in text
