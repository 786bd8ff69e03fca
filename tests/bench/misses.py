"""Lookups that have to ask: DNS for names that aren't in the cache, tor for addresses."""

import re
import subprocess
import tempfile

from harness.onion import onion
from harness.proc import LOOPBACK, free_port

from . import table
from .programs import load, load_server, write_items

COLD = (10_000, 100_000)  # names
CLIENTS, DEPTH = 16, 32
AT_ONCE = {100: (4, 25), 1000: (20, 50)}  # connections, and questions ahead on each
LOST_MS = 2000  # dns_timeout_ms: a question that is lost takes that long
HERD = 10_000  # clients that ask for one name
ONIONS = 1000
ADDRESSES = 100_000  # questions for them
TARGET = onion("everybody")
EVERY_NAME = f"* SRV 0 0 25 {TARGET}.\n"  # of the zone

DNSPERF = {
    "sent": r"Queries sent: +(\d+)",
    "completed": r"Queries completed: +(\d+)",
    "codes": r"Response codes: +(.*)",
    "speed": r"Queries per second: +([\d.]+)",
}


def name(i):
    return f"c{i:07}.example"


def question(key):
    return f"get {key}\n".encode()


def dnsperf(server, names, qtype, times=1):
    """Queries a second; all of them were answered. It doesn't repeat a query that got
    lost, so that such a run doesn't count."""
    for _ in range(5):
        said = run_dnsperf(server, names, qtype, times)
        if said["sent"] == said["completed"]:
            assert said["codes"] == f"NOERROR {said['sent']} (100.00%)", said
            return float(said["speed"])
    raise AssertionError(f"dnsperf loses queries: {said}")


def run_dnsperf(server, names, qtype, times):
    host, port = server.address.split(":")
    args = ["dnsperf", "-s", host, "-p", port, "-n", times, "-q", 100, "-d"]
    with tempfile.NamedTemporaryFile("w") as file:
        file.writelines(f"{n} {qtype}\n" for n in names)
        file.flush()
        done = subprocess.run(
            [*map(str, args), file.name], capture_output=True, text=True, check=True
        )
    return {k: re.search(pattern, done.stdout)[1] for k, pattern in DNSPERF.items()}


def start_daemon(lab, answer="onion", **settings):
    listener = {
        "protocol": "tcp_table",
        "address": f"{LOOPBACK}:{free_port()}",
        "answer": answer,
        "max_clients": HERD,
        "deadline_ms": 30000,
    }
    limits = {"max_lookups": 2 * HERD, "max_waiters": 2 * HERD, "cache_entries": 200_000}
    return lab.daemon({"postfix": listener}, nofile=HERD + 1000, **limits, **settings)


def cold(lab, dns, count, at_once, rounds):
    """Each name once, so many at a time."""
    names = [name(i) for i in range(count)]
    asked = [f"_onion-mx._tcp.{n}" for n in names]
    answer = f"200 smtptor:[{TARGET}]:25\n".encode()
    items = write_items(lab.dir / "cold.items", ((question(n), answer) for n in names))
    dnsperf(dns, asked, "SRV")  # now they are cached
    connections, depth = AT_ONCE[at_once]
    ours, theirs, cpu, slowest = [], [], [], []
    for _ in range(rounds):
        theirs.append(dnsperf(dns, asked, "SRV"))
        daemon = start_daemon(lab, dns=dns)
        shape = {"connections": connections, "depth": depth, "questions": count}
        done = load_server(daemon, daemon.address("postfix"), items, **shape)
        assert daemon.counted("dns_queries") == count
        ours.append(done.questions / done.seconds)
        cpu.append(done.cpu)
        slowest.append(done.longest / 1000)
        daemon.stop()
    what = f"cold SRV lookups, {count} names, {at_once} at once"
    yield table.compare(
        f"{what}, dnsperf against the same unbound",
        *map(table.median, (ours, theirs)),
        "/s",
        at_least=0.3,
    )
    yield table.figure(f"{what}, CPU", table.median(cpu), "us")
    yield table.limit(f"{what}, none lost: the slowest", max(slowest), "ms", LOST_MS)


def herd(lab, dns):
    daemon = start_daemon(lab, dns=dns)
    answer = f"200 smtptor:[{TARGET}]:25\n".encode()
    items = write_items(lab.dir / "herd.items", [(question("herd.example"), answer)])
    load(daemon.address("postfix"), items, connections=HERD, questions=HERD)
    asked = daemon.counted("dns_queries")
    daemon.stop()
    return table.limit(f"DNS queries for {HERD} clients and one name", asked, "", 1)


def addresses(lab, rounds):
    tor = lab.tor()
    names = [onion(i) for i in range(ONIONS)]
    text = "".join(f"{name(i)} {onion(i)}\n" for i in range(ONIONS))
    daemon = start_daemon(lab, answer="address", tor=tor, map=text)
    where = {i: tor.resolve(onion(i)) for i in range(ONIONS)}
    pairs = (
        (question(name(i)), f"200 smtptor:[{where[i]}]:25\n".encode()) for i in where
    )
    items = write_items(lab.dir / "addresses.items", pairs)
    shape = {"connections": CLIENTS, "depth": DEPTH, "questions": ADDRESSES}
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(dnsperf(tor, names, "A", ADDRESSES // ONIONS))
        tor.resolve(names[0])  # it is busy with what that has left for a while
        done = load(daemon.address("postfix"), items, **shape)
        ours.append(done.questions / done.seconds)
    what = "answers with tor's addresses, dnsperf against the same tor"
    return table.compare(what, *map(table.median, (ours, theirs)), "/s", at_least=0.7)


def rows(lab, rounds):
    dns = lab.unbound(EVERY_NAME, ttl=86400)
    for count in COLD:
        for at_once in AT_ONCE:
            yield from cold(lab, dns, count, at_once, rounds)
    yield herd(lab, dns)
    yield addresses(lab, rounds)
