"""A daemon whose bridge leads to the fake tor, with the listeners of conf/."""

import os

from harness.bridged import free_bridge_port
from harness.onion import onion
from harness.unbound import srv

from .conf import listener_in

# Where conf/ has the listeners.
SNIPPETS = {"exim": "exim/bridge-transport", "postfix": "postfix/bridge-main.cf"}

RECORDS = srv("srv", (10, 0, 2525, onion("srv"))) + srv(
    "two", (10, 0, 2525, onion("dead")), (20, 0, 2526, onion("alive"))
)

MAP = f"""\
pinned.example {onion("pinned")}
ignored.example -
"""


def bridge_settings(lab, *socks):
    """Addresses of this process's own."""
    state = lab.dir / "state"
    state.mkdir()
    return {
        "socks": [f"{proxy.host}:{proxy.port}" for proxy in socks],
        "bridge_network": f"127.104.{os.getpid() & 255}.0/24",
        "bridge_port": free_bridge_port(),
        "state_dir": str(state),
    }


def bridge_daemon(lab, net, map=MAP, listeners=None, options=None, **settings):
    """listeners: more than those of conf/. options: of all of them."""
    own = {
        name: listener_in(file, f"unix:{lab.dir}/{name}.sock")
        for name, file in SNIPPETS.items()
    }
    options = {"deadline_ms": 4000, **(options or {})}
    listeners = {**own, **(listeners or {})}
    listeners = {name: {**options, **one} for name, one in listeners.items()}
    settings = {**bridge_settings(lab, net.socks), **settings}
    return lab.daemon(listeners, dns=lab.unbound(RECORDS), map=map, **settings)
