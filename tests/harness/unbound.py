"""A real resolver with zones of the test's own. What isn't in them is refused, so
nothing is ever asked outside."""

from . import dnsmsg
from .proc import LOOPBACK, Process, free_port

SERVER = """\
server:
    interface: {host}@{port}
    port: {port}
    access-control: 127.0.0.0/8 allow
    do-daemonize: no
    do-not-query-localhost: no
    username: ""
    chroot: ""
    directory: "{dir}"
    pidfile: ""
    logfile: ""
    use-syslog: no
    module-config: "{modules}"
    num-threads: 1
    local-zone: "." refuse
    local-zone: "example." transparent
"""

ZONE = """\
remote-control:
    control-enable: no
auth-zone:
    name: "example."
    zonefile: "{dir}/zone"
    for-downstream: no
    for-upstream: yes
stub-zone:
    name: "{dead_zone}"
    stub-addr: {host}@{dead_port}
    stub-tcp-upstream: yes
"""

HEAD = """\
$ORIGIN example.
$TTL {ttl}
@ SOA ns hostmaster 1 3600 600 86400 {negative_ttl}
@ NS ns
ns A 127.0.0.1
probe A 127.0.0.1
"""

# The DNS of every name below this one fails.
DEAD_ZONE = "fails.example"


class Resolver(Process):
    """An unbound; more is what its configuration has beyond SERVER."""

    def __init__(self, workdir, modules, more, port=None):
        self.dir = workdir / "unbound"
        self.dir.mkdir()
        self.host = LOOPBACK
        self.port = port or free_port()
        self.probe = "probe.example"
        conf = self.dir / "conf"
        place = {"host": self.host, "port": self.port, "dir": self.dir}
        conf.write_text(SERVER.format(modules=modules, **place) + more)
        super().__init__(["unbound", "-d", "-c", conf], self.dir / "log")

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def start(self):
        super().start()
        self.ready(self.up)
        return self

    def restart(self):
        self.kill()
        return self.start()

    def up(self):
        """It answers."""
        reply = dnsmsg.ask(self.host, self.port, self.probe, dnsmsg.A, 0.2)
        return reply and reply[1]


class Unbound(Resolver):
    """Serves the zone "example."; the records are text, relative to it."""

    def __init__(
        self, workdir, records="", ttl=300, negative_ttl=300, port=None, server=""
    ):
        dead = {"dead_zone": DEAD_ZONE, "dead_port": free_port(), "host": LOOPBACK}
        more = ZONE.format(dir=workdir / "unbound", **dead)
        super().__init__(workdir, "iterator", server + more, port)
        head = HEAD.format(ttl=ttl, negative_ttl=negative_ttl)
        (self.dir / "zone").write_text(head + records)


def srv(domain, *targets):
    """A line of the zone for each target: (priority, weight, port, onion name)."""
    return "".join(
        f"_onion-mx._tcp.{domain} SRV {priority} {weight} {port} {host}.\n"
        for priority, weight, port, host in targets
    )
