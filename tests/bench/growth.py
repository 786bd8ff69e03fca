"""What more clients and more names take: memory, and time for each lookup."""

import resource

from harness.clients import connect
from harness.proc import LOOPBACK, free_port

from . import table
from .misses import EVERY_NAME, TARGET, name, question
from .programs import ON_SERVER_CORE, load, load_server, resident, write_items

IDLE = 10_000  # clients
NAMES = 1_000_000
SHAPE = {"connections": 16, "depth": 1, "questions": 200_000}


def start_daemon(lab, dns):
    listener = {
        "protocol": "tcp_table",
        "address": f"{LOOPBACK}:{free_port()}",
        "answer": "onion",
        "max_clients": IDLE + 100,
    }
    settings = {"cache_entries": NAMES, "cache_bytes": NAMES * 1000, "dns": dns}
    return lab.daemon(
        {"postfix": listener}, nofile=2 * IDLE, prefix=ON_SERVER_CORE, **settings
    )


def pair(i):
    return question(name(i)), f"200 smtptor:[{TARGET}]:25\n".encode()


def items(lab, count):
    return write_items(lab.dir / f"{count}.items", map(pair, range(count)))


class Crowd:
    """Clients that have asked once and are silent now."""

    def __init__(self, daemon, count, pair):
        asked, answer = pair
        self.sockets = []
        for _ in range(count):
            s = connect(daemon.address("postfix"))
            s.sendall(asked)
            assert s.recv(len(answer) + 1) == answer
            self.sockets.append(s)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in self.sockets:
            s.close()


def cpu(daemon, file, rounds):
    """Of one lookup, in microseconds."""
    address = daemon.address("postfix")
    runs = [load_server(daemon, address, file, **SHAPE) for _ in range(rounds)]
    return table.median(r.cpu for r in runs)


def clients(lab, dns, rounds):
    daemon = start_daemon(lab, dns)
    yield table.limit("memory, idle daemon", resident(daemon.pid) / 1e6, "MB", 4)
    file = items(lab, 10)
    alone = cpu(daemon, file, rounds)
    before = resident(daemon.pid)
    with Crowd(daemon, IDLE, pair(0)):
        taken = (resident(daemon.pid) - before) / IDLE
        crowded = cpu(daemon, file, rounds)
    yield table.limit("memory, idle client", taken, "bytes", 1024)
    what = f"CPU of a lookup, {IDLE} idle clients, none"
    yield table.compare(what, crowded, alone, "us", at_most=1.3)
    daemon.stop()


def names(lab, dns, rounds):
    daemon = start_daemon(lab, dns)
    few, many = items(lab, 10), items(lab, NAMES)
    address = daemon.address("postfix")
    load(address, few, connections=1, questions=10)
    alone = cpu(daemon, few, rounds)
    before = resident(daemon.pid)
    load(address, many, connections=16, depth=32, questions=NAMES)
    assert daemon.counted("dns_queries") == NAMES
    taken = (resident(daemon.pid) - before) / NAMES
    yield table.limit("memory, cached route", taken, "bytes", 300)
    full = cpu(daemon, many, rounds)
    what = f"CPU of a lookup, {NAMES} names in the cache, 10"
    yield table.compare(what, full, alone, "us", at_most=1.3)


def rows(lab, rounds):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2 * IDLE, limit[1]), limit[1]))
    dns = lab.unbound(EVERY_NAME, ttl=86400)
    yield from clients(lab, dns, rounds)
    yield from names(lab, dns, rounds)
