"""The snippets of conf/ in whole configurations: that they are valid, and what is in
them that no message shows."""

import re
import subprocess

import pytest

from harness import dnsmsg
from harness.onion import onion
from harness.proc import LOOPBACK, REPO, Process, free_port, wait_until

from .conf import commented_out, instead, snippet
from .exim import EXIM
from .postfix import TABLES, transport_maps

# A tor that can reach nothing.
DEAD_TOR = """\
DirAuthority dead orport=1 v3ident=0000000000000000000000000000000000000001 \
127.255.255.254:1 0000000000000000000000000000000000000002
UseDefaultFallbackDirs 0
DataDirectory {dir}/data
Log notice stdout
"""


def test_exim_is_new_enough():
    """The recipes are tested with the oldest that they are for, or a newer one."""
    said = subprocess.run([EXIM, "-bV"], capture_output=True, text=True).stdout
    version = re.match(r"Exim version (\d+)\.(\d+)", said)
    needed = re.search(r"need Exim (\d+)\.(\d+) or later", (REPO / "README.md").read_text())
    assert [*map(int, version.groups())] >= [*map(int, needed.groups())]


def test_exim(lab, make_exim):
    exim = make_exim(lab.dir / "s")
    routers = exim.run("-bP", "router_list").split()
    verifying, asking = ["onion_recipient", "onion_sender"], ["onion", "onion_guard"]
    assert routers == [*verifying, *asking, "home", "clearnet"]
    options = exim.run("-bP", "transport", "onion_smtp")
    for option in (
        "hosts_avoid_pipelining = *",
        "hosts_try_fastopen =",
        "connect_timeout = 2m",
        "no_delay_after_cutoff",
    ):
        assert re.search(rf"^{re.escape(option)} *$", options, re.M), options


def test_exim_comments_stand_alone():
    """Exim knows no comment at the end of a line."""
    for name in ("exim/router", "exim/bridge-transport", "exim/transport"):
        for line in snippet(name).splitlines():
            assert line.lstrip().startswith("#") or "#" not in line, line


def test_exim_by_default_waits():
    router = snippet("exim/router")
    other = instead(router, "TEMP onionmxd is unreachable", "{NO\\n}}")
    active = [x for x in router.splitlines() if x.startswith("  address_data")]
    assert len(active) == 1 and "{NO\\n}" not in active[0]
    assert other.count("\n#  address_data") == 1


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("transport", ["torsocks", "TransPort"])
def test_postfix(lab, make_postfix, table, transport):
    """Postfix knows each parameter, and has nothing to complain of."""
    postfix = make_postfix()
    place = lab.dir / "s" if table == "proxy" else None
    main = transport_maps(table, place)
    master = snippet("postfix/master.cf")
    if transport == "TransPort":
        master = commented_out(master)
    postfix.configure(main, master)
    said = postfix.command("postconf", "-c", postfix.etc, "-n")
    assert "warning" not in said and "transport_maps = regexp:" in said
    # More than the 100 seconds of a socketmap, for "*", twice, and the recipient.
    assert "qmgr_ipc_timeout = 600s" in said
    said = postfix.command("postconf", "-c", postfix.etc, "-P")
    assert "warning" not in said
    for setting in (
        "inet_protocols = ipv4",
        "smtp_dns_support_level = disabled",
        "smtp_tls_security_level = may",
        "smtp_connect_timeout = " + ("0s" if transport == "torsocks" else "150s"),
        "smtp_fallback_relay =",
    ):
        assert f"smtptor/unix/{setting}" in said
    said = postfix.command("postconf", "-c", postfix.etc, "-M", "smtptor/unix")
    assert said.split()[7] == ("smtp-tor" if transport == "torsocks" else "smtp")


def test_postfix_local_first(make_postfix):
    postfix = make_postfix().configure()

    def query(key):
        args = ("-q", key, f"regexp:{postfix.etc}/local_first")
        return postfix.command("postmap", "-c", postfix.etc, *args, status=None)

    for key in ("u@site.example", "U+x@Site.Example", "u@mail.site.example"):
        assert query(key) == ":\n"
    assert query("root@localhost") == ":\n"
    for key in ("*", "u@sub.site.example", "u@notsite.example", "u@site.example.net"):
        assert query(key) == ""
    assert query("site.example") == ""


def test_postfix_wrapper():
    path = REPO / "conf/postfix/smtp-tor"
    assert path.stat().st_mode & 0o100
    subprocess.run(["sh", "-n", path], check=True)


def test_torrc(lab, net):
    ports = {9050: free_port(), 5300: free_port(), 9040: free_port()}
    text = snippet("torrc")
    text += commented_out(text)
    for old, new in ports.items():
        assert f"127.0.0.1:{old}" in text
        text = text.replace(f"127.0.0.1:{old}", f"{LOOPBACK}:{new}")
    (lab.dir / "empty").touch()
    (lab.dir / "torrc").write_text(DEAD_TOR.format(dir=lab.dir) + text)
    args = ["tor", "--defaults-torrc", lab.dir / "empty", "-f", lab.dir / "torrc"]
    tor = net.run(Process(args, lab.dir / "tor.log"))

    def ask():
        return dnsmsg.ask(LOOPBACK, ports[5300], onion("x"), dnsmsg.A, timeout=0.2)

    rcode, [address] = wait_until(ask, "an address from tor")
    assert rcode == 0
    first, second = (int(part) for part in address.split(".")[:2])
    assert first == 10 and 192 <= second <= 255
    for kind in ("Socks", "DNS", "Transparent pf/netfilter"):
        assert f"Opened {kind} listener connection (ready)" in tor.output()
    assert "[warn]" not in re.sub(r".*(DirAuthority|Tor as root).*", "", tor.output())
