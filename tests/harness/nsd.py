"""A real authoritative server, and zones for it, signed or not.

    zone = sign(write_zone(workdir, "signed.example", srv("a", ...)))

Zones are files and can be spoilt after they have been signed."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from . import dnsmsg
from .proc import LOOPBACK, Process, free_port

CONF = """\
server:
    ip-address: {host}@{port}
    do-ip6: no
    server-count: 1
    username: ""
    chroot: ""
    zonesdir: "{dir}"
    database: ""
    pidfile: ""
    zonelistfile: "{dir}/zone.list"
    xfrdfile: "{dir}/xfrd.state"
    xfrdir: "{dir}"
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
remote-control:
    control-enable: no
"""

ZONE = """\
zone:
    name: "{name}."
    zonefile: "{file}"
"""

HEAD = """\
$ORIGIN {name}.
$TTL {ttl}
@ SOA ns hostmaster 1 3600 600 86400 {negative_ttl}
@ NS ns
ns A 127.0.0.1
probe A 127.0.0.1
"""


class Zone(NamedTuple):
    name: str
    file: Path
    ds: str = ""  # of its key: a record for the zone above, or a trust anchor


def write_zone(workdir, name, records="", ttl=300, negative_ttl=300):
    """The records are text, relative to the zone."""
    file = Path(workdir) / f"{name}.zone"
    head = HEAD.format(name=name, ttl=ttl, negative_ttl=negative_ttl)
    file.write_text(head + records)
    return Zone(name, file)


def sign(zone, *options):
    """The zone with a key of its own, in a file of its own. The options are those of
    ldns-signzone: -n for NSEC3, -e for the end of the signatures."""
    keygen = ["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", zone.name]
    key = run(keygen, zone.file.parent).strip()
    signed = zone.file.with_suffix(".signed")
    run(["ldns-signzone", *options, "-f", signed, zone.file, key], zone.file.parent)
    ds = (zone.file.parent / f"{key}.ds").read_text()
    return Zone(zone.name, signed, ds)


def forge(zone, owner, *types, instead=""):
    """Drops the records of a signed zone that belong to the owner and have one of the
    types, which may be a signature's, "RRSIG SRV". Other lines may stand instead."""
    lines = zone.file.read_text().splitlines(keepends=True)
    starts = tuple(f"{owner}. IN {rtype} " for rtype in types)
    kept = [line for line in lines if not without_ttl(line).startswith(starts)]
    assert len(kept) < len(lines), starts
    zone.file.write_text("".join(kept) + instead)


def without_ttl(line):
    owner, _, *rest = line.split()
    return " ".join([owner, *rest])


def delegation(name, address="127.0.0.1"):
    """To one server, with its address."""
    return f"{name} NS ns.{name}\nns.{name} A {address}\n"


def alias(name, target):
    """A CNAME where the SRV records would be, to those of another domain."""
    return f"_onion-mx._tcp.{name} CNAME _onion-mx._tcp.{target}.\n"


def run(args, cwd):
    done = subprocess.run(args, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{args}: {done.stderr}"
    return done.stdout


class Nsd(Process):
    """Serves the zones by UDP and TCP; what isn't in them is refused."""

    def __init__(self, workdir, zones, port=None):
        self.dir = Path(workdir) / "nsd"
        self.dir.mkdir()
        self.host = LOOPBACK
        self.port = port or free_port()
        self.zones = zones
        conf = self.dir / "conf"
        head = CONF.format(host=self.host, port=self.port, dir=self.dir)
        conf.write_text(head + "".join(ZONE.format(**z._asdict()) for z in zones))
        super().__init__(["nsd", "-d", "-c", conf], self.dir / "log")

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def start(self):
        super().start()
        self.ready(self._answers)
        return self

    def _answers(self):
        probe = f"probe.{self.zones[-1].name}"
        reply = dnsmsg.ask(self.host, self.port, probe, dnsmsg.A, 0.2)
        return reply and reply[1]
