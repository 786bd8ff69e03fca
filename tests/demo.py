#!/usr/bin/python3
"""Shows onionmxd at work between a real tor and a real DNS server, all on this machine.

tor runs offline: the only directory authority that it knows is a dead address on
loopback. It maps onion names to addresses all the same."""

import socket
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from harness.clients import connect, read_all  # noqa: E402
from harness.lab import Lab  # noqa: E402
from harness.proc import REPO  # noqa: E402
from harness.unbound import DEAD_ZONE, srv  # noqa: E402

FIRST = "llqiiswupgezsco4ux47cco3bxsaihbss5c3piefv6bhvpgfofyk7kad.onion"
SECOND = "w5ejy7xyv4dw7jul7bycfnltircxddt7vqprcxe6uggnezlwwic72qqd.onion"
INVALID = "x" + FIRST[1:]

QUESTIONS = [
    ("a domain of the static map", "riseup.net"),
    ("a domain found by SRV: two targets, one with a port", "two.example"),
    ("a domain without an onion service", "without.example"),
    ("a domain whose DNS fails", "any." + DEAD_ZONE),
    ("a recipient at an invalid .onion", INVALID),
]

LISTENERS = [
    ("readsocket", "Exim      readsocket  address"),
    ("tcp_table", "Postfix   tcp_table   onion  "),
    ("socketmap", "Postfix   socketmap   onion  "),
]


def raw(daemon, listener, domain):
    """What the daemon says, as it stands on the wire."""
    with connect(daemon.address(listener)) as s:
        s.sendall(daemon.client(listener).request("user@" + domain))
        s.shutdown(socket.SHUT_WR)
        return read_all(s).decode().strip()


def show(daemon):
    for what, domain in QUESTIONS:
        print(f"\n{what}: user@{domain}")
        for listener, title in LISTENERS:
            print(f"  {title}  {raw(daemon, listener, domain)}")


def main():
    with tempfile.TemporaryDirectory(prefix="omx") as workdir:
        Path(workdir).chmod(0o755)
        lab = Lab(workdir)
        try:
            print("starting tor (offline), unbound and onionmxd ...", flush=True)
            tor = lab.tor()
            dns = lab.unbound(
                srv("two", (10, 0, 25, FIRST), (20, 0, 2525, SECOND)) + "without A 127.0.0.1\n"
            )
            sample = (REPO / "conf/domains.txt").read_text()
            show(lab.daemon(dns=dns, tor=tor, map=sample))
        finally:
            lab.close()
    print("\nall that was started has been stopped")


if __name__ == "__main__":
    main()
