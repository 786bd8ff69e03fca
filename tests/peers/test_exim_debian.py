"""Debian's own configuration of Exim, split and unsplit, with the files of conf/ where they
say, as update-exim4.conf puts it together."""

import os
import shutil
import subprocess

import pytest

from harness.onion import onion

from .bridge import MAP, bridge_daemon
from .conf import snippet
from .exim import EXIM, SOCKET, Exim

# Where Debian's packages are unpacked.
ROOT = EXIM.parents[2]

ROUTER, TRANSPORT = "router/170_onionmxd", "transport/30_onionmxd"

# What debconf would ask for.
ANSWERS = """\
dc_eximconfig_configtype='smarthost'
dc_other_hostnames='site.example'
dc_local_interfaces='127.0.0.1 ; ::1'
dc_relay_domains='relay.example'
dc_minimaldns='true'
dc_relay_nets=''
dc_smarthost='{clearnet.host}::{clearnet.port}'
dc_use_split_config='{split}'
"""

# Places of the test's own, and what a site may add.
MACROS = """\
CONFDIR = {etc}
SPOOLDIR = {dir}/spool
ETC_MAILNAME = site.example
MAIN_HARDCODE_PRIMARY_HOSTNAME = mail.site.example
CHECK_RCPT_VERIFY_SENDER = true
log_file_path = {dir}-%s.log
"""


class DebianExim(Exim):
    client = ("-oMa", "127.0.0.1.40000")

    def __init__(self, workdir, socket, install, split, net):
        places = {"socks": net.socks, "home": net.home, "clearnet": net.clearnet}
        super().__init__(workdir, socket, **places)
        self.socket, self.etc = str(socket), self.dir / "etc"
        shutil.copytree(ROOT / "etc/exim4", self.etc)
        answers = ANSWERS.format(clearnet=net.clearnet, split=split)
        (self.etc / "update-exim4.conf.conf").write_text(answers)
        install(self)
        generated = self.dir / "generated"
        self.update("update-exim4.conf", "-d", self.etc, "-o", generated)
        text = generated.read_text()
        path = "exim_path = /usr/sbin/exim4\n"
        assert text.count(path) == 1
        own = MACROS.format(etc=self.etc, dir=self.dir)
        self.config.write_text(own + text.replace(path, f"exim_path = {EXIM}\n"))

    def update(self, name, *args):
        environment = {**os.environ, "CONFDIR": str(self.etc)}
        subprocess.run([ROOT / "usr/sbin" / name, *args], env=environment, check=True)

    def piece(self, name):
        return snippet(name).replace(SOCKET, self.socket)


def split(exim):
    (exim.etc / "conf.d" / ROUTER).write_text(exim.piece("exim/router"))
    (exim.etc / "conf.d" / TRANSPORT).write_text(exim.piece("exim/bridge-transport"))


def made_anew(exim):
    """The template is made of the parts."""
    split(exim)
    exim.update("update-exim4.conf.template", "-r")


def by_hand(exim):
    """The two files stand in the template, where they say."""
    path = exim.etc / "exim4.conf.template"
    text = path.read_text()
    mark = "### router/200_exim4-config_primary\n"
    begin = "begin transports\n"
    assert mark in text and text.count(begin) == 1
    text = text.replace(mark, f"{exim.piece('exim/router')}\n{mark}", 1)
    path.write_text(text.replace(begin, f"{begin}\n{exim.piece('exim/bridge-transport')}\n"))


KINDS = {
    "split": (split, "true"),
    "unsplit, made anew": (made_anew, "false"),
    "unsplit, by hand": (by_hand, "false"),
}


@pytest.fixture
def daemon(lab, net):
    own = f'site.example {onion("our own")}\nrelay.example {onion("our own")}\n'
    return bridge_daemon(lab, net, map=MAP + own)


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def exim(request, lab, net, daemon):
    return DebianExim(lab.dir, daemon.unix_path("exim"), *request.param, net)


def test_routes(daemon, exim):
    verdict = exim.route("user@pinned.example")
    assert (verdict.outcome, verdict.router) == ("routed", "onion"), verdict.text
    assert verdict.hosts == daemon.ask("exim", "pinned.example").targets()
    for domain in ("absent.example", "relay.example"):
        assert exim.route("user@" + domain).router == "smarthost"
    assert "onion" not in exim.route("user@site.example").text


def test_accepted_and_delivered(daemon, exim, net):
    """With the ACLs of Debian, while the daemon is dead."""
    sink = net.sink()
    net.socks.route(onion("pinned"), 25, sink)
    daemon.kill()
    far = "user@pinned.example"
    for sender in ("sender@elsewhere.example", far, "user@" + onion("x")):
        text = ("DATA", "Subject: test", "", "Hello.", ".")
        replies = exim.session(f"MAIL FROM:<{sender}>", f"RCPT TO:<{far}>", *text)
        assert [reply[:3] for reply in replies] == ["250", "250", "354", "250"], replies
    exim.run_queue()
    assert exim.waiting() == [far] * 3
    daemon.start()
    exim.run_queue()
    assert len(sink.to(far)) == 3
    assert net.clearnet.connections == 0
