"""The daemon and /etc/resolv.conf, which says whom it asks and may change at any time.

Each daemon has an /etc of its own; the servers listen on port 53 of addresses of the
test's own. Needs root."""

import contextlib
import os
import subprocess
import time

import pytest

from e2e.netns import Namespace
from harness import behaviours as does
from harness import dnsmsg
from harness.clients import NONE, ROUTE, TEMP, TcpTable, connect
from harness.daemon import Daemon
from harness.load import Load
from harness.onion import onion
from harness.proc import LOOPBACK, SLACK, wait_until
from harness.resolvconf import NOBODY, RESOLV_CONF, inside

NO_RESOLVER = (TEMP, "no resolver answers")
FAR = "192.0.2.1"  # nothing is ever sent there

KEPT = "the resolvers from before are kept"
NOBODY_TO_ASK = "no resolver can be asked until it names one"


def neighbour(n):
    """A loopback address beside LOOPBACK, which is as much this process's own."""
    _, net, rest = LOOPBACK.split(".", 2)
    return f"127.{int(net) + 127 * (n % 2)}.{rest}" if n else LOOPBACK


@pytest.fixture
def etc(lab):
    path = lab.dir / "etc"
    path.mkdir()
    path.chmod(0o755)
    return path


@pytest.fixture
def conf(etc):
    return etc / "resolv.conf"


@pytest.fixture
def a(lab):
    return server(lab, "a")


@pytest.fixture
def b(lab):
    return server(lab, "b")


def server(lab, name):
    """One that has the same route for all names, with its own name in it."""
    dns = lab.dns(host=neighbour("ab".index(name)), port=53)
    dns.below("", does.one(name, ttl=1))
    return dns


def lines(*servers):
    return "".join(f"nameserver {getattr(s, 'host', s)}\n" for s in servers)


def make(lab, etc, user=None, **settings):
    """What is asked is what matters here: nothing is remembered for long."""
    settings = {"resolvers": [], "min_ttl": 0, "max_stale": 0, **settings}
    if user:
        settings["user"] = ""
    return lab.make_daemon(prefix=inside(etc, [], user), **settings)


def start(lab, etc, **settings):
    return make(lab, etc, **settings).start()


def ask(daemon, domain="x.example"):
    return daemon.ask("tcp_table", "user@" + domain)


def said(daemon, words, times=1):
    """Waits until the log has that line so many times, and no more."""
    count = lambda: daemon.output().count(f"onionmxd: {words}\n")
    wait_until(lambda: count() >= times, words)
    assert count() == times, daemon.output()


def taken(*servers):
    names = ", ".join(f"{getattr(s, 'host', s)}:53" for s in servers)
    return f"info: resolvers: {names} from {RESOLV_CONF}"


def write_anew(conf, text):
    """By another file and rename."""
    new = conf.with_suffix(".new")
    new.write_text(text)
    new.rename(conf)


def write_in_place(conf, text):
    conf.write_text(text)


# At the start


def test_start(lab, etc, conf, a, b):
    conf.write_text(lines(a, b) + "search example.net\n")
    daemon = start(lab, etc)
    said(daemon, taken(a, b))
    assert ask(daemon).hosts() == [onion("a")]
    assert a.names() == {"_onion-mx._tcp.x.example"} and not b.seen


def test_three_are_taken(lab, etc, conf, a, b):
    """Once each, as by the C library."""
    conf.write_text(lines(a, b, a, "127.0.0.9"))
    daemon = start(lab, etc)
    said(daemon, taken(a, b))


def test_named_resolvers_are_no_business_of_the_file(lab, etc, conf, a, b):
    conf.write_text(lines(a))
    daemon = start(lab, etc, resolvers=[b.host])
    said(daemon, f"info: resolvers: {b.host}:53")
    conf.write_text("")
    assert ask(daemon).hosts() == [onion("b")]
    assert not a.seen and RESOLV_CONF not in daemon.output()


def test_unusable_lines_are_told(lab, etc, conf, a):
    conf.write_text("# x\nnameserver dns.example\n nameserver ::1\n" + lines(a))
    daemon = start(lab, etc)
    why = f"{RESOLV_CONF}:2: expected a numeric IP address (and more lines)"
    said(daemon, f"warning: {why}")
    assert ask(daemon).hosts() == [onion("a")]


def rotating(a, b):
    options = "options use-vc edns0 rotate timeout:1 attempts:5 ndots:15 trust-ad"
    return lines(a, b) + f"search evil.example\nsortlist 10.0.0.0\n{options}\n"


def test_options_have_no_effect(lab, etc, conf, a, b):
    """Neither those of the file nor those of the environment."""
    conf.write_text(rotating(a, b))
    daemon = make(lab, etc)
    words = "use-vc edns0 rotate timeout:1 ndots:15"
    daemon.args[:0] = ["env", f"RES_OPTIONS={words}", "LOCALDOMAIN=evil.example"]
    daemon.start()
    for i in range(10):
        assert ask(daemon, f"d{i}.example").hosts() == [onion("a")]
    assert not b.seen and len(a.seen) == 10
    assert {(s.tcp, s.records) for s in a.seen} == {(False, 0)}
    assert a.names() == {f"_onion-mx._tcp.d{i}.example" for i in range(10)}


# Without a server

NO_SERVER = {
    "empty": ("", "no nameserver line"),
    "comments": ("# nameserver ::1\n", "no nameserver line"),
    "a host name": ("nameserver dns.example\n", "no usable nameserver line"),
    "link-local": ("nameserver fe80::53\n", "no usable nameserver line"),
    "missing": (None, os.strerror(2)),
    "large": ("#" * 70000 + "\nnameserver ::1\n", "larger than 64 KiB"),
}


def put(conf, text):
    if text is None:
        conf.unlink(missing_ok=True)
    else:
        conf.write_text(text)


@pytest.mark.parametrize("case", NO_SERVER)
def test_no_server_at_the_start(lab, etc, conf, a, case):
    """It starts nevertheless, says why nobody is asked, and waits for nobody."""
    text, why = NO_SERVER[case]
    put(conf, text)
    daemon = start(lab, etc)
    said(daemon, f"warning: {RESOLV_CONF}: {why}: {NOBODY_TO_ASK}")
    assert "info: resolvers:" not in daemon.output()
    for domain in "x.example", "x.example", "y.example":
        assert ask(daemon, domain) == NO_RESOLVER
    conf.write_text(lines(a))
    wait_until(lambda: ask(daemon).outcome == ROUTE, "the server to be asked")
    said(daemon, taken(a))
    assert ask(daemon, "y.example").hosts() == [onion("a")]


@pytest.mark.parametrize("case", NO_SERVER)
def test_no_server_any_more(lab, etc, conf, a, b, case):
    conf.write_text(lines(a, b))
    daemon = start(lab, etc)
    text, why = NO_SERVER[case]
    put(conf, text)
    said(daemon, f"warning: {RESOLV_CONF}: {why}: {KEPT}")
    assert ask(daemon).hosts() == [onion("a")]
    write_anew(conf, lines(a, b))
    said(daemon, taken(a, b), 2)
    conf.write_text(lines(b, a))
    said(daemon, taken(b, a))
    assert ask(daemon, "y.example").hosts() == [onion("b")]


@pytest.mark.parametrize("kind", ["directory", "FIFO"])
def test_no_file(lab, etc, conf, a, kind):
    """What would hang is not waited for."""
    conf.write_text(lines(a))
    daemon = start(lab, etc)
    conf.unlink()
    if kind == "FIFO":
        os.mkfifo(conf)
        why = "not a regular file"
    else:
        conf.mkdir()
        why = os.strerror(21)
    said(daemon, f"warning: {RESOLV_CONF}: {why}: {KEPT}")
    assert ask(daemon).hosts() == [onion("a")]


def test_a_dangling_link(lab, etc, conf, a, b):
    """As it is early at boot, and when resolvconf or systemd-resolved switches."""
    conf.symlink_to("run/stub")
    daemon = start(lab, etc)
    said(daemon, f"warning: {RESOLV_CONF}: {os.strerror(2)}: {NOBODY_TO_ASK}")
    assert ask(daemon) == NO_RESOLVER
    (etc / "run").mkdir()
    assert ask(daemon) == NO_RESOLVER
    (etc / "run/stub").write_text(lines(a))
    said(daemon, taken(a))
    assert ask(daemon).hosts() == [onion("a")]
    (etc / "other").write_text(lines(b))
    (etc / "link").symlink_to("other")
    (etc / "link").rename(conf)
    said(daemon, taken(b))
    assert ask(daemon, "y.example").hosts() == [onion("b")]


def test_a_file_of_roots_own(lab, etc, conf, a, b):
    """The daemon runs as nobody."""
    conf.write_text(lines(a))
    conf.chmod(0o600)
    lab.dir.chmod(0o777)
    daemon = start(lab, etc, user=NOBODY)
    denied = f"warning: {RESOLV_CONF}: {os.strerror(13)}"
    said(daemon, f"{denied}: {NOBODY_TO_ASK}")
    assert ask(daemon) == NO_RESOLVER
    conf.chmod(0o644)
    said(daemon, taken(a))
    assert ask(daemon).hosts() == [onion("a")]
    conf.chmod(0o600)
    said(daemon, f"{denied}: {KEPT}")
    conf.write_text(lines(b))
    assert ask(daemon, "y.example").hosts() == [onion("a")]
    conf.chmod(0o644)
    said(daemon, taken(b))
    assert ask(daemon, "z.example").hosts() == [onion("b")]


# Changes


@pytest.mark.parametrize("write", [write_in_place, write_anew])
def test_changes_under_load(lab, etc, conf, a, b, write):
    """To and fro, while hundreds of names are asked for. No lookup fails by that."""
    conf.write_text(lines(a))
    daemon = start(lab, etc)
    keys = [f"d{i}.example" for i in range(500)]
    with Load(daemon, ["tcp_table", "socketmap"], keys) as load:
        load.progress(100)
        for times in 1, 2:
            write(conf, lines(b))
            said(daemon, taken(b), times)
            load.progress(100)
            write(conf, lines(a))
            said(daemon, taken(a), times + 1)
            load.progress(100)
    assert not [r for r in load.records if r.error or r.answer.outcome != ROUTE]
    hosts = [tuple(r.answer.hosts()) for r in load.records]
    assert set(hosts) == {(onion("a"),), (onion("b"),)}
    assert "warning" not in daemon.output()


def test_the_old_one_has_gone(lab, etc, conf, a, b):
    """Its port is closed when the file changes: from then on nobody may wait for it."""
    conf.write_text(lines(a))
    daemon = start(lab, etc)
    keys = [f"d{i}.example" for i in range(500)]
    with Load(daemon, ["tcp_table", "socketmap"], keys) as load:
        load.progress(100)
        conf.write_text(lines(b))
        said(daemon, taken(b))
        a.stop()
        load.progress(300)
    assert not [r for r in load.records if r.error or r.answer.outcome != ROUTE]
    assert "is down" not in daemon.output()


@pytest.mark.parametrize("write", [write_in_place, write_anew])
def test_what_is_under_way_goes_to_the_new_one(lab, etc, conf, a, b, write):
    """At once, and not by a timeout: there is none within the test. The new server's
    receive buffer has room for all of them, as Linux makes it."""
    a.below("", does.silence())
    conf.write_text(lines(a))
    listeners = lab.listeners(deadline_ms=50000)
    daemon = start(lab, etc, listeners=listeners, dns_timeout_ms=60000)
    with ahead(daemon, clients=4, each=50) as answers:
        wait_until(lambda: len(a.seen) == 200, "all to be asked")
        assert not b.seen
        write(conf, lines(b))
        assert all(answer.hosts() == [onion("b")] for answer in answers())
    assert len(a.seen) == len(b.seen) == 200
    assert ask(daemon, "new.example").hosts() == [onion("b")] and len(a.seen) == 200
    assert daemon.counter("dns_down") == 0


@contextlib.contextmanager
def ahead(daemon, clients, each):
    """Asks for so many names at once. Gives what reads the answers."""
    with contextlib.ExitStack() as stack:
        files = []
        for c in range(clients):
            s = stack.enter_context(connect(daemon.address("tcp_table"), 40 * SLACK))
            keys = [f"user@d{i}.c{c}.example" for i in range(each)]
            s.sendall(b"".join(map(TcpTable.request, keys)))
            files.append(stack.enter_context(s.makefile("rb")))
        yield lambda: [TcpTable.next_answer(f) for f in files for _ in range(each)]


def test_what_nobody_could_be_asked(lab, etc, conf, a):
    """A name isn't remembered as failed if there was nobody to ask."""
    conf.write_text("")
    daemon = start(lab, etc, failure_ttl=300)
    assert ask(daemon) == NO_RESOLVER
    conf.write_text(lines(a))
    said(daemon, taken(a))
    assert ask(daemon).hosts() == [onion("a")]


def test_the_order_changes(lab, etc, conf, a, b):
    conf.write_text(lines(a, b))
    daemon = start(lab, etc)
    assert ask(daemon, "x.example").hosts() == [onion("a")]
    write_anew(conf, lines(b, a))
    said(daemon, taken(b, a))
    assert ask(daemon, "y.example").hosts() == [onion("b")]


def test_who_stays_keeps_what_is_known(lab, etc, conf, a, b):
    """And who comes anew is unknown: here, whether it knows SRV records."""
    for dns in a, b:
        dns.on("nodata.example", does.absent_without_soa(dnsmsg.NOERROR))
    conf.write_text(lines(a))
    daemon = start(lab, etc, failure_ttl=0)
    assert ask(daemon).outcome == ROUTE
    assert ask(daemon, "nodata.example").outcome == NONE
    write_anew(conf, lines(a, b))
    said(daemon, taken(a, b))
    assert ask(daemon, "nodata.example").outcome == NONE
    write_anew(conf, lines(b))
    said(daemon, taken(b))
    assert ask(daemon, "nodata.example").outcome == TEMP
    write_anew(conf, lines(a))
    said(daemon, taken(a), 2)
    assert ask(daemon, "nodata.example").outcome == TEMP
    assert daemon.output().count(f"resolver {a.host}:53 leaves") == 2


# dnssec = require


FAR_ONES = {"alone": (FAR,), "first": (FAR, LOOPBACK), "last": (LOOPBACK, FAR)}
REFUSED = (
    "error: dnssec = require needs resolvers on this machine, and those of "
    f"{RESOLV_CONF} aren't"
)


@pytest.mark.parametrize("case", FAR_ONES)
def test_require_refuses_a_far_one(lab, etc, conf, case):
    conf.write_text(lines(*FAR_ONES[case]))
    daemon = make(lab, etc, dnssec="require")
    super(Daemon, daemon).start()
    assert daemon.wait() == 1
    assert f"onionmxd: {REFUSED}\n" in daemon.output()
    assert "ready" not in daemon.output()


@pytest.mark.parametrize("case", FAR_ONES)
def test_require_keeps_near_ones(lab, etc, conf, a, b, case):
    conf.write_text(lines(a))
    a.below("", does.validated(does.one("a", ttl=1)))
    daemon = start(lab, etc, dnssec="require")
    assert ask(daemon).hosts() == [onion("a")]
    write_anew(conf, lines(*FAR_ONES[case]))
    said(daemon, REFUSED)
    assert ask(daemon, "y.example").hosts() == [onion("a")]
    b.below("", does.validated(does.one("b", ttl=1)))
    write_anew(conf, lines(b))
    said(daemon, taken(b))
    assert ask(daemon, "z.example").hosts() == [onion("b")]


# Link-local servers


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def make_interfaces():
    ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
    for end, address in (("v0", "fe80::53/64"), ("v1", "fe80::54/64")):
        ip("link", "set", end, "up")
        ip("address", "add", address, "dev", end, "nodad")


@pytest.fixture
def network(lab):
    with Namespace():
        make_interfaces()
        yield
        lab.close()


def link_local(lab):
    dns = lab.dns(host="fe80::54%v1", port=53)
    dns.below("", does.one("local", ttl=1))
    dns.on("long.example", does.truncated(does.one("long")))
    return dns


@pytest.mark.parametrize("user", [None, NOBODY])
def test_link_local(lab, network, etc, conf, user):
    dns = link_local(lab)
    conf.write_text("nameserver fe80::54%v0\noptions edns0\n")
    lab.dir.chmod(0o777)
    daemon = start(lab, etc, user=user)
    said(daemon, f"info: resolvers: [fe80::54%v0]:53 from {RESOLV_CONF}")
    assert ask(daemon).hosts() == [onion("local")]
    assert ask(daemon, "long.example").hosts() == [onion("long")]
    assert {s.tcp for s in dns.seen} == {False, True}


def test_an_interface_that_comes_and_goes(lab, network, etc, conf):
    """The file stays as it is."""
    ip("link", "del", "v0")
    conf.write_text("nameserver fe80::54%v0\n")
    daemon = start(lab, etc)
    why = f"warning: {RESOLV_CONF}: no usable nameserver line"
    said(daemon, f"{why}: {NOBODY_TO_ASK}")
    said(daemon, f"warning: {RESOLV_CONF}:1: there is no such interface")
    assert ask(daemon) == NO_RESOLVER
    make_interfaces()
    first = link_local(lab)
    wait_until(lambda: ask(daemon).outcome == ROUTE, "the interface to be seen")
    first.stop()
    ip("link", "del", "v0")
    said(daemon, f"{why}: {KEPT}")
    make_interfaces()
    link_local(lab)
    wait_until(lambda: ask(daemon).outcome == ROUTE, "the interface to be seen again")


def test_no_burst_to_the_new_server(lab, etc, conf, a, b):
    """Its receive buffer holds 256 questions, and it may be busy."""

    def busy(q):
        time.sleep(0.03)
        return does.one("b")(q)

    a.below("", does.silence())
    b.below("", does.in_turn(busy, does.one("b")))
    conf.write_text(lines(a))
    listeners = lab.listeners(deadline_ms=10000)
    daemon = start(lab, etc, listeners=listeners, dns_timeout_ms=60000)
    with ahead(daemon, clients=18, each=50) as answers:
        wait_until(lambda: len(a.seen) == 900, "all to be asked")
        write_anew(conf, lines(b))
        wait_until(lambda: len(b.seen) == 900, "all to be asked again", limit=8)
        assert all(answer.hosts() == [onion("b")] for answer in answers())
