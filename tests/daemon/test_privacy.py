"""What the daemon keeps to itself."""

import re

import pytest

from harness import behaviours as does
from harness import dnsmsg
from harness.clients import connect, read_all
from harness.onion import mistyped, onion

SECRETS = ("secret", "innocent-looking", "münchen", "xn--mnchen-3ya")


@pytest.fixture
def dns(lab):
    dns = lab.dns()
    dns.on("route.secret.example", does.one("secret"))
    dns.on("absent.secret.example", does.nxdomain())
    dns.on("fails.secret.example", does.servfail())
    dns.on("silent.secret.example", does.silence())
    dns.on("garbage.secret.example", does.garbage())
    dns.on("unproven.secret.example", does.absent_without_soa(dnsmsg.NXDOMAIN))
    dns.on("bad.secret.example", does.srv((0, 0, 25, mistyped("secret"))))
    return dns


def ask_everything(daemon):
    keys = [f"{name}.secret.example" for name in ("route", "absent", "fails", "silent")]
    keys += [f"{name}.secret.example" for name in ("garbage", "unproven", "bad")]
    keys += [onion("secret"), mistyped("secret"), "münchen.example", "secret..example"]
    for listener in daemon.listeners:
        for key in keys:
            daemon.ask(listener, "innocent-looking@" + key)
    for listener in ("readsocket", "tcp_table", "socketmap"):
        with connect(daemon.address(listener)) as s:
            s.sendall(b"malformed innocent-looking@secret.example\n")
            read_all(s)


def secrets_in(log):
    names = (onion("secret")[:-6], mistyped("secret")[:-6], *SECRETS)
    return [name for name in names if name in log]


@pytest.mark.parametrize("with_tor", [True, False])
def test_no_name_in_the_log(lab, dns, with_tor):
    """Whatever the outcome, also when the map is damaged and the daemon ends."""
    daemon = lab.daemon(
        dns=dns,
        tor=lab.tor() if with_tor else None,
        map=f"münchen.example {onion('secret')}\n",
        dns_timeout_ms=50,
        dns_tries=1,
        tor_timeout_ms=50,
        tor_tries=1,
    )
    ask_everything(daemon)
    (lab.dir / "domains.cdb").write_bytes(b"x")
    ask_everything(daemon)
    daemon.terminate()
    assert secrets_in(daemon.output()) == []


def test_no_local_part_in_the_log_at_any_level(lab, dns):
    daemon = lab.daemon(dns=dns, log_level="debug", dns_timeout_ms=50, dns_tries=1)
    ask_everything(daemon)
    daemon.terminate()
    assert "innocent-looking" not in daemon.output()


def test_format_of_the_log(lab, dns):
    daemon = lab.daemon(dns=dns, dns_timeout_ms=50, dns_tries=1)
    ask_everything(daemon)
    daemon.counters()
    daemon.terminate()
    for line in daemon.output().splitlines():
        assert re.match(r"onionmxd: (error|warning|info): [ -~]+$", line), line


def test_no_local_part_in_dns(lab, dns):
    daemon = lab.daemon(dns=dns, dns_timeout_ms=50, dns_tries=1)
    ask_everything(daemon)
    assert dns.seen
    for name in dns.names():
        assert name.startswith("_onion-mx._tcp.") and "innocent" not in name
        assert "onion." not in name.removeprefix("_onion-mx.") and "@" not in name
