"""Addresses as they stand in the configuration, and the zones (RFC 4007) of IPv6."""

import subprocess

import pytest

from harness.proc import SLACK
from harness.resolvconf import HELPER

NEEDS = "a link-local address needs its interface, as in fe80::1%eth0"
NOWHERE = "there is no such interface"
NOT_NEEDED = "only a link-local address has a zone"
NO_IP = "expected a numeric IP address"
NO_ADDRESS = "expected ADDRESS or ADDRESS:PORT"

# As text again, without the zone, and the zone's number. "lo" has number 1.
GOOD = {
    "192.0.2.1": "192.0.2.1:53 192.0.2.1:53 0",
    "192.0.2.1:5353": "192.0.2.1:5353 192.0.2.1:5353 0",
    "::1": "[::1]:53 [::1]:53 0",
    "[::1]": "[::1]:53 [::1]:53 0",
    "[2001:DB8::1]:5353": "[2001:db8::1]:5353 [2001:db8::1]:5353 0",
    "fe80::1%lo": "[fe80::1%lo]:53 [fe80::1]:53 1",
    "[fe80::1%lo]": "[fe80::1%lo]:53 [fe80::1]:53 1",
    "[fe80::1%lo]:5353": "[fe80::1%lo]:5353 [fe80::1]:5353 1",
    "fe80::1%1": "[fe80::1%lo]:53 [fe80::1]:53 1",
    "[fe80:1111:2222:3333:4444:5555:6666:7777%1]:65535": (
        "[fe80:1111:2222:3333:4444:5555:6666:7777%lo]:65535 "
        "[fe80:1111:2222:3333:4444:5555:6666:7777]:65535 1"
    ),
}

BAD = {
    "fe80::1": NEEDS,
    "[fe80::1]:53": NEEDS,
    "fe80::1%": NEEDS,
    "febf::1": NEEDS,
    "fe80::1%nosuch0": NOWHERE,
    "[fe80::1%nosuch0]:53": NOWHERE,
    "fe80::1%0": NOWHERE,
    "fe80::1%99999": NOWHERE,
    "fe80::1%4294967297": NOWHERE,
    "fe80::1%-1": NOWHERE,
    "fe80::1%1x": NOWHERE,
    "fe80::1%lo%lo": NOWHERE,
    "::1%lo": NOT_NEEDED,
    "[2001:db8::1%1]:53": NOT_NEEDED,
    "::1%": NOT_NEEDED,
    "192.0.2.1%lo": NO_IP,
    "192.0.2.1%lo:53": NO_IP,
    "%lo": NO_IP,
    "[%lo]:53": NO_IP,
    "fe80::1%lo:5353": NO_IP,
    "dns.example": NO_IP,
    "[fe80::1]:53%lo": NO_ADDRESS,
    "[fe80::1%lo": NO_ADDRESS,
    "[fe80::1%lo]53": NO_ADDRESS,
    "fe80::1%" + "x" * 100: NO_ADDRESS,
}


def parse(text, prefix=()):
    done = subprocess.run(
        [*prefix, HELPER, "address", text],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=20 * SLACK,
    )
    return done.returncode, done.stdout.rstrip()


@pytest.mark.parametrize("text", GOOD)
def test_good(text):
    assert parse(text) == (0, GOOD[text])


@pytest.mark.parametrize("text", BAD)
def test_bad(text):
    assert parse(text) == (1, BAD[text])


def test_names_that_are_numbers():
    """As for glibc, the name goes first. The longest has 15 bytes."""
    script = """\
ip link add 1 index 70 type veth peer name abcdefghi.klm-o index 71 &&
"$1" address fe80::1%1 && "$1" address fe80::1%71 && "$1" address fe80::1%2; true
"""
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script, "sh", HELPER],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "[fe80::1%1]:53 [fe80::1]:53 70",
        "[fe80::1%abcdefghi.klm-o]:53 [fe80::1]:53 71",
        NOWHERE,
    ]
