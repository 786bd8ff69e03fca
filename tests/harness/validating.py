"""A real resolver that validates DNSSEC and asks an nsd, and nobody else.

Its questions come from a loopback address, so that none could leave the machine."""

from .proc import LOOPBACK, free_port
from .unbound import DEAD_ZONE, Resolver

MORE = """\
server:
    outgoing-interface: {host}
    log-queries: yes
    val-log-level: 1
"""

STUB = """\
stub-zone:
    name: "{name}."
    stub-addr: {host}@{port}
"""


class Validating(Resolver):
    """Believes the keys of the anchored zones. What no zone of the nsd has, it asks the
    nsd for, too, which refuses."""

    def __init__(self, workdir, nsd, anchors=()):
        more = MORE.format(host=LOOPBACK)
        more += "".join(f'    trust-anchor: "{ds}"\n' for ds in map(one_line, anchors))
        for zone in nsd.zones:
            more += STUB.format(name=zone.name, host=nsd.host, port=nsd.port)
        more += STUB.format(name="", host=nsd.host, port=nsd.port)
        more += STUB.format(name=DEAD_ZONE, host=LOOPBACK, port=free_port())
        more += "    stub-tcp-upstream: yes\n"  # there a refusal shows at once
        super().__init__(workdir, "validator iterator", more)
        self.probe = f"probe.{nsd.zones[-1].name}"

    def asked(self, domain):
        """Was it asked for anything at or below the domain?"""
        return f"{domain}. " in self.output()


def one_line(zone):
    return " ".join(zone.ds.split())
