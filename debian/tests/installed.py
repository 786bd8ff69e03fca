"""The package as it is installed, and what it talks to: a DNS server, a proxy in the place
of tor, and the mail server that is an onion service. Needs root, and a machine whose mail
isn't anybody's."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests"))

from harness.nsd import Nsd, write_zone  # noqa: E402
from harness.onion import onion  # noqa: E402
from peers.sink import Sink  # noqa: E402
from peers.socks import Socks  # noqa: E402

ONION = onion("installed")
CONF = Path("/etc/onionmxd/onionmxd.conf")
README = Path("/usr/share/doc/onionmxd/README.Debian")
TOR = ("127.0.0.1", 9050)  # where Debian's tor listens


def run(*args, text=""):
    """Standard output and standard error of a command that must succeed."""
    done = subprocess.run(
        args, input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    print(f"$ {' '.join(map(str, args))}\n{done.stdout}", flush=True)
    assert done.returncode == 0, done
    return done.stdout


def use_stand_in():
    """Where systemd doesn't run, as in a chroot, something else must start the daemon."""
    if Path("/run/systemd/system").is_dir():
        return
    directory = tempfile.mkdtemp()
    os.symlink(ROOT / "tests/package/systemctl", f"{directory}/systemctl")
    os.environ["PATH"] = f"{directory}:{os.environ['PATH']}"


def as_readme_says(section):
    """Runs the commands of a section of README.Debian."""
    text = re.split(rf"^{section}\n-+\n", README.read_text(), flags=re.M)[1]
    block = re.search(r"(?:^(?: {4}|\t).*\n)+", text, re.M)[0]
    commands = re.sub(r"^ {4}", "", block, flags=re.M).replace("sensible-editor", ": see")
    assert "systemctl restart onionmxd" in commands
    run("sh", "-euxc", commands)


@contextlib.contextmanager
def world(domain="srv.example"):
    """A domain with an onion service, for the daemon's next start. Gives the service's
    mail server."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        os.chmod(name, 0o755)
        zone = write_zone(name, domain, f"_onion-mx._tcp SRV 10 10 25 {ONION}.\n")
        sink, socks, nsd = Sink(), Socks(*TOR), Nsd(name, [zone])
        for server in (sink, socks, nsd):
            stack.callback(server.start().stop)
        socks.route(ONION, 25, sink)
        resolvers = f'resolvers = {{"{nsd.address}"}}'
        conf, found = re.subn(r"^#?resolvers = .*", resolvers, CONF.read_text(), flags=re.M)
        assert found == 1
        CONF.write_text(conf)
        yield sink


use_stand_in()
