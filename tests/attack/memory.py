"""The memory that the daemon may take, as onionmxd.conf(5) says, section MEMORY."""

import re

from harness.proc import REPO

MANUAL = REPO / "conf/man/onionmxd.conf.5"
SAMPLE = REPO / "conf/onionmxd.conf"  # which has the defaults


def documented():
    """Kilobytes by what takes them."""
    section = MANUAL.read_text().split("\n.Sh MEMORY\n")[1].split("\n.Sh ")[0]
    rows = re.findall(r"^\.It (.+) Ta ([\d.]+)$", section, re.M)
    return {re.sub(r"^each (kilobyte )?of (Ic )?", "", row): float(kb) for row, kb in rows}


def default(option):
    return int(re.search(rf"^#\s*{option} = (\d+)$", SAMPLE.read_text(), re.M)[1])


def bound(settings, clients):
    """Bytes, for a daemon with these settings, one resolver, no tor and no map to speak of,
    while so many clients are connected."""
    kb = documented()
    of = lambda option: settings.get(option, default(option))
    total = kb["the daemon itself"] + kb["each resolver, and tor"]
    for option in ("max_lookups", "max_queries", "cache_entries", "bridge_max_clients",
                   "bridge_addresses", "max_tor_names"):
        total += kb[option] * of(option)
    total += kb["cache_bytes"] * of("cache_bytes") / 1024
    total += kb["each client of a listener"] * clients
    return total * 1024
