"""Lookups whose answers are at hand, each protocol beside a server that parses nothing."""

from typing import NamedTuple

from harness.clients import CLIENTS, ROUTE
from harness.onion import onion
from harness.proc import LOOPBACK, free_port
from harness.unbound import srv

from . import table
from .programs import ON_SERVER_CORE, load_server, reference, write_items

NAMES = 1000
TURNS = 3  # in each round: what disturbs one side is over before long
IN_MAP = 100_000  # lines of the map
DISTINCT = 10_000  # more, each with an onion of its own


class Case(NamedTuple):
    title: str
    protocol: str
    unix: bool
    connections: int
    depth: int
    questions: int  # of one turn: a fraction of a second
    at_most: float  # of the CPU that the bare server takes
    p99: bool = False
    once: bool = False


CASES = [
    Case("tcp_table, TCP, 16 x 1", "tcp_table", False, 16, 1, 70_000, 1.15, p99=True),
    Case("tcp_table, TCP, 16 x 16", "tcp_table", False, 16, 16, 350_000, 2.5),
    Case("socketmap, Unix, 16 x 1", "socketmap", True, 16, 1, 100_000, 1.15, p99=True),
    Case("socketmap, Unix, 16 x 16", "socketmap", True, 16, 16, 500_000, 2.5),
    Case("readsocket, one a connection, 16", "readsocket", True, 16, 1, 35_000, 1.15, once=True),
]


def in_map(i):
    return f"m{i:06}.example"


def distinct(i):
    return f"n{i:06}.example"


def in_dns(i):
    return f"d{i:06}.example"


def listeners(workdir):
    where = {
        "tcp_table": (f"{LOOPBACK}:{free_port()}", "onion"),
        "socketmap": (f"unix:{workdir}/socketmap.sock", "onion"),
        "readsocket": (f"unix:{workdir}/readsocket.sock", "bridge"),
    }
    return {
        name: {"protocol": name, "address": address, "answer": answer}
        for name, (address, answer) in where.items()
    }


def start_daemon(lab):
    """With its answers in the map and in the cache."""
    records = "".join(srv(in_dns(i).removesuffix(".example"), (0, 0, 25, onion(i))) for i in range(NAMES))
    dns = lab.unbound(records, ttl=86400)
    text = "".join(f"{in_map(i)} {onion(i % NAMES)}\n" for i in range(IN_MAP))
    text += "".join(f"{distinct(i)} {onion(i)}\n" for i in range(DISTINCT))
    state = lab.dir / "state"
    state.mkdir()
    options = {"state_dir": str(state), "bridge_users": []}
    return lab.daemon(
        listeners(lab.dir), dns=dns, map=text, prefix=ON_SERVER_CORE, **options
    )


def items(daemon, case, name):
    """Questions with their answers, which the daemon is asked for first."""
    client, result = daemon.client(case.protocol), []
    for i in range(DISTINCT if name is distinct else NAMES):
        answer = client.ask(name(i))
        assert answer.outcome == ROUTE, answer
        if case.protocol != "readsocket":
            assert answer.hosts() == [onion(i)], answer
        framed = CLIENTS[case.protocol].request(name(i)), reply(case.protocol, answer.value)
        result.append(framed)
    return result


def reply(protocol, value):
    if protocol == "socketmap":
        return f"{len(value) + 3}:OK {value},".encode()
    if protocol == "readsocket":
        return f"OK {value}\n".encode()
    return f"200 {value}\n".replace(", ", ",%20").encode()


class Side(NamedTuple):
    """One of those that are measured in turn."""

    process: object
    address: str
    items: object


def sides(lab, daemon, case, names):
    ours = {}
    for name in names:
        pairs = items(daemon, case, name)
        file = write_items(lab.dir / f"{name.__name__}.items", pairs)
        ours[name.__name__] = Side(daemon, daemon.address(case.protocol), file)
    answer = pairs[0][1]
    pairs = [(question, answer) for question, _ in pairs]
    file = write_items(lab.dir / "constant.items", pairs)
    for name in ("bare", "buffered"):
        kind = {"unix": case.unix, "once": case.once}
        server = reference(lab.dir, name, pairs[0][0], answer.decode(), **kind)
        ours[name] = Side(lab.run(server), server.address, file)
    return ours


def measure(lab, daemon, case, rounds, names=(in_map, in_dns)):
    """{side: [Loaded...]}"""
    both = sides(lab, daemon, case, names)
    runs = {name: [] for name in both}
    options = {"connections": case.connections, "depth": case.depth, "once": case.once}
    for turn in range(TURNS * rounds + 1):
        for name, side in both.items():
            questions = case.questions if turn else case.questions // 10  # to warm up
            done = load_server(*side, questions=questions, **options)
            runs[name] += [done] if turn else []
    return runs


def many_onions(lab, daemon, rounds):
    case = CASES[1]
    runs = measure(lab, daemon, case, rounds, (distinct,))
    cpu = {name: table.median(r.cpu for r in done) for name, done in runs.items()}
    what = f"CPU, {case.title}, map, {DISTINCT} onions"
    yield table.compare(what, cpu["distinct"], cpu["bare"], "us", at_most=2.2)


def rows(lab, rounds):
    daemon = start_daemon(lab)
    yield from many_onions(lab, daemon, rounds)
    for case in CASES:
        runs = measure(lab, daemon, case, rounds)
        cpu = {name: table.median(r.cpu for r in done) for name, done in runs.items()}
        p99 = {name: table.median(r.p99 for r in done) for name, done in runs.items()}
        # Many at once cost it next to nothing: it parses nothing.
        limit = 1 if case.depth == 1 else None
        for name, place in (("in_map", "map"), ("in_dns", "cache")):
            what = f"CPU, {case.title}, {place}"
            yield table.compare(what, cpu[name], cpu["bare"], "us", at_most=case.at_most)
            what += ", bufferevents"
            yield table.compare(what, cpu[name], cpu["buffered"], "us", at_most=limit)
            if case.p99:
                what = f"p99, {case.title}, {place}"
                yield table.compare(what, p99[name], p99["bare"], "us", at_most=1.3)
