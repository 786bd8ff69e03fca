"""A real run: ten thousand domains by real servers, over a network that loses questions
and delays answers."""

import random
from collections import Counter

import pytest

from harness.clients import NONE, TEMP
from harness.crowd import Heartbeat, ask_all
from harness.lossy import DELAY, DROP
from harness.nsd import write_zone
from harness.onion import onion
from harness.proc import LOOPBACK, SLACK, free_port, wait_until
from harness.unbound import srv

COUNT = 10_000
SEED = 20261122

DEADLINE = 0.5  # the default
GRACE = 0.05

# Of the questions that are repeated: dns_timeout_ms doubled once, and a little more.
LONGEST_PAUSE = 4.2


def exists(i):
    return i % 10 != 0


def target(i):
    return onion(f"lossy {i}"), 1000 + i


def records(i):
    """Of those without a route, some have other records."""
    if exists(i):
        host, port = target(i)
        return srv(f"d{i}", (10, 0, port, host))
    return f"_onion-mx._tcp.d{i} A 127.0.0.1\n" if i % 20 == 0 else ""


def is_right(result):
    """Or it's TEMP. Everything else is wrong."""
    i = int(result.key.removeprefix("user@d").split(".")[0])
    if result.answer.outcome == TEMP:
        return False
    if exists(i):
        assert result.answer.targets() == [target(i)], result
    else:
        assert result.answer.outcome == NONE, result
    return True


def share(results):
    return sum(map(is_right, results)) / len(results)


def figures(results):
    reasons = Counter(r.answer.value for r in results if r.answer.outcome == TEMP)
    seconds = sorted(r.seconds for r in results if r.alone)
    at = lambda part: 1000 * seconds[int(part * (len(seconds) - 1))]
    return (
        f"{100 * share(results):.2f} % right, p50 {at(0.5):.1f} ms, "
        f"p99 {at(0.99):.1f} ms, max {at(1):.1f} ms, {dict(reasons)}"
    )


def excuse(result, heartbeat):
    """For how long of the time that an answer is late the daemon had no processor: before
    it could read the question, or after the deadline."""
    late = max(result.seconds - DEADLINE, 0)
    asked = result.ended - result.seconds
    before = heartbeat.starved(asked, asked + late)
    return before + heartbeat.starved(result.ended - late, result.ended)


@pytest.mark.timeout(120 * SLACK)
def test_a_real_run(lab):
    zone = write_zone(lab.dir, "many.example", "".join(map(records, range(COUNT))))
    unbound = lab.validating([zone])
    network = lab.lossy(unbound, drop=0.05, delay=0.05, seconds=3, seed=SEED)
    listeners = {
        "tcp_table": {"protocol": "tcp_table", "address": f"{LOOPBACK}:{free_port()}"},
        "socketmap": {"protocol": "socketmap", "address": f"unix:{lab.dir}/s.sock"},
    }
    daemon = lab.daemon(listeners, dns=network)
    keys = [f"user@d{i}.many.example" for i in range(COUNT)]
    random.Random(SEED).shuffle(keys)

    with Heartbeat(daemon.pid) as heartbeat:
        first = ask_all(daemon, keys, listeners, alone=32, pipelined=2, window=32)
        wait_until(lambda: network.quiet_for(LONGEST_PAUSE), "the late answers")
        second = ask_all(daemon, keys, listeners, alone=32, pipelined=2, window=32)

    fates = [s.fate for s in network.seen()]
    alone = [r for r in first + second if r.alone]
    late = max(r.seconds for r in alone) - DEADLINE
    own_fault = max(r.seconds - DEADLINE - excuse(r, heartbeat) for r in alone)
    print(f"\nfirst: {figures(first)}\nsecond: {figures(second)}")
    print(
        f"stall {1000 * heartbeat.longest:.1f} ms, late {1000 * late:.1f} ms, "
        f"own fault {1000 * own_fault:.1f} ms"
    )
    print(Counter(fates), {k: v for k, v in daemon.counters().items() if v})
    assert own_fault < (GRACE + heartbeat.longest) * SLACK
    assert share(first) > 0.75
    assert share(second) >= 0.99
    assert fates.count(DROP) > 0.04 * COUNT and fates.count(DELAY) > 0.04 * COUNT
