"""A site whose mail server is an onion MX, with the settings of conf/. It trusts loopback,
as sites do; mail for others goes to a sink, "clearnet"."""

import smtplib

from harness.proc import LOOPBACK, Process, free_port
from peers.conf import snippet
from peers.exim import EXIM, Exim
from peers.postfix import bridge_main

from . import socks
from .site import OwnPostfix

# Where conf/ has tor connect.
TARGET = "127.0.0.1:2525"

# Its own, if a test doesn't say another.
DOMAIN = "site.example"

PROXY_LINE = "HiddenServiceExportCircuitID haproxy"


class OnionSMTP(smtplib.SMTP):
    """A session through Tor. Each user has circuits of its own."""

    def __init__(self, client, name, user=None):
        self._client, self._user = client, user
        super().__init__(name, 25)

    def _get_socket(self, host, port, timeout):
        return socks.connect(self._client.socks, host, port, user=self._user)


def onion_service(receiver, proxy):
    """conf/'s torrc-service. proxy: whether tor says which circuit it is."""
    places = {
        TARGET: f"{LOOPBACK}:{receiver.onion_port}",
        "/var/lib/tor/onion-mx": "@DIR@/onions/mx",
    }
    text = snippet("torrc-service", places)
    assert f"\n{PROXY_LINE}\n" in text
    return text if proxy else text.replace(f"\n{PROXY_LINE}\n", "\n")


# What would keep out the clients that tor announces, on its port, too.
POSTFIX_SITE = """\
inet_protocols = ipv4
smtpd_client_restrictions = permit_mynetworks, reject_unknown_client_hostname
smtpd_helo_restrictions = permit_mynetworks, reject_unknown_helo_hostname
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,
 reject_unknown_reverse_client_hostname
"""


class PostfixReceiver(OwnPostfix):
    proxy = True

    def __init__(self, workdir, home, clearnet, replace=None, domain=DOMAIN, socket=None):
        """replace: other settings than those of conf/. socket: that of onionmxd; then it
        sends by the bridge, too, and all ports are those of conf/."""
        super().__init__(workdir, socks=clearnet, home=home, clearnet=clearnet)
        main = f"{POSTFIX_SITE}mydestination = {domain}\n"
        if socket:
            self.host, self.port, self.onion_port = "127.0.0.1", 25, 2525
            main += bridge_main(socket)
        else:
            self.onion_port = free_port()
        places = {TARGET: f"{self.host}:{self.onion_port}", **(replace or {})}
        self.configure(main, snippet("postfix/receive-master.cf", places))


# Like Exim's default configuration, as far as it says who may send what.
SITE_MAIN = """\
hostlist relay_from_hosts = 127.0.0.0/8
pid_file_path = {dir}/pid
tls_advertise_hosts =
"""

SITE_ACL = """\
acl_check_rcpt:
  accept hosts = +relay_from_hosts
  require message = relay not permitted
    domains = +local_domains : +relay_to_domains
  require verify = recipient
  accept
"""


class EximReceiver(Exim):
    proxy = False

    def __init__(self, workdir, home, clearnet, replace=None, domain=DOMAIN, socket=None):
        """As for Postfix."""
        places = {"socks": clearnet, "home": home, "clearnet": clearnet}
        if socket:
            self.host, self.port, self.onion_port = "127.0.0.1", 25, 2525
            places["transport"] = snippet("exim/bridge-transport")
        else:
            self.host, self.port, self.onion_port = LOOPBACK, free_port(), free_port()
            places["router"] = places["transport"] = "# none\n"
        super().__init__(workdir, socket or "", **places)
        mine = {
            "0.0.0.0.25 ; ::0.25": f"{self.host}.{self.port}",
            "127.0.0.1.2525": f"{self.host}.{self.onion_port}",
            "{2525}": f"{{{self.onion_port}}}",
            **(replace or {}),
        }
        text = snippet("exim/receive", mine)
        main, mark, acl = text.partition("# For the section of the ACLs")
        assert mark
        self.paste("acl_smtp_rcpt = rcpt\n", SITE_MAIN.format(dir=self.dir) + main)
        own = "domainlist local_domains = "
        self.paste(f"{own}{DOMAIN}\n", f"{own}{domain}\n")
        self.paste("begin acl\n", "begin acl\n\n" + mark + acl + "\n" + SITE_ACL)
        args = [EXIM, "-C", self.config, "-bdf"]
        self._daemon = Process(args, f"{self.dir}-daemon.log")

    def start(self):
        self._daemon.start()
        self._daemon.ready(lambda: "listening for SMTP" in self.log())
        return self

    def stop(self):
        self._daemon.stop()
