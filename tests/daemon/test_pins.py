"""Routes from DNS that are pinned, and what becomes of their changes.

Most of these daemons keep no answer of DNS, so that each lookup sees what it says now."""

import itertools
import os
import re
import stat
import subprocess
import time
from pathlib import Path

import pytest

from harness import behaviours as does
from harness.clients import NONE, ROUTE, TEMP
from harness.daemon import ONIONMXD
from harness.onion import mistyped, onion
from harness.proc import SLACK, Process, wait_until
from harness.state_line import held, pin

A, B, C = onion("a"), onion("b"), onion("c")
SECRETS = ("x.example", A[:-6], B[:-6], C[:-6])
DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.fixture
def state(lab):
    state = lab.dir / "state"
    state.mkdir()
    return state


@pytest.fixture
def dns(lab):
    dns = lab.dns()
    dns.on("x.example", does.one("a"))
    return dns


def options(state, **settings):
    forgetful = {"min_ttl": 0, "max_ttl": 0, "max_negative_ttl": 0, "max_stale": 0}
    forgetful["failure_ttl"] = 0
    return {"state_dir": str(state), "pin_srv": "yes", **forgetful, **settings}


def start(lab, state, dns, **settings):
    return lab.daemon(dns=dns, **options(state, **settings))


def ask(daemon, domain="x.example"):
    return daemon.ask("tcp_table", domain)


def targets_or_outcome(answer):
    return answer.targets() if answer.outcome == ROUTE else answer.outcome


def listed(daemon, command="list"):
    """[(domain, "pinned" or "held back", targets)...]"""
    found = []
    for text in daemon.onionmap("pin", command).splitlines():
        match = re.fullmatch(rf"(\S+) (pinned|held back) since {DATE}: (.+)", text)
        assert match, text
        found.append(match.groups())
    return found


def warnings(daemon):
    lines = daemon.output().splitlines()
    return [text for text in lines if text.startswith("onionmxd: warning: ")]


def changed(lab, state, dns, behaviour=does.one("b"), **settings):
    """A daemon with a pin, of which DNS now says something else."""
    daemon = start(lab, state, dns, **settings)
    assert ask(daemon).hosts() == [A]
    dns.on("x.example", behaviour)
    assert ask(daemon).hosts() == [A]
    return daemon


def on_disk(daemon):
    """What listed() would be if the daemon were started now."""
    found = {}
    path = Path(daemon.settings["state_dir"]) / "pins"
    for text in path.read_text().splitlines():
        words = text.split()
        targets = [f"{words[i + 1]}:{words[i]}" for i in range(10, len(words) - 1, 4)]
        told = ", ".join(targets) or "no route"
        if words[0] == "pin":
            found[words[2]] = [(words[2], "pinned", told)] if targets else []
        else:
            found[words[2]].append((words[2], "held back", told))
    return [entry for entries in found.values() for entry in entries]


def end(daemon, how):
    """One that is killed has written what it had to."""
    if how == "kill":
        wait_until(lambda: sorted(on_disk(daemon)) == sorted(listed(daemon)), "the disk")
    getattr(daemon, how)()
    daemon.hang_up()


def test_first_use(lab, state, dns):
    dns.on("x.example", does.srv((2, 0, 25, B), (1, 0, 2525, A)))
    daemon = start(lab, state, dns)
    for _ in range(3):
        assert ask(daemon).targets() == [(A, 2525), (B, 25)]
    assert len(listed(daemon)) == 1
    assert listed(daemon)[0][:2] == ("x.example", "pinned")
    assert set(listed(daemon)[0][2].split(", ")) == {f"{A}:2525", f"{B}:25"}
    assert daemon.onionmap("pin", "held") == ""
    counters = daemon.counters()
    assert (counters["pins_new"], counters["pins_held"]) == (1, 0)


def test_only_routes_from_dns_are_pinned(lab, state, dns):
    dns.on("absent.example", does.nxdomain())
    dns.on("fails.example", does.servfail())
    daemon = start(lab, state, dns, map=f"a.example {A}\n")
    for domain in ("a.example", B, "absent.example", "fails.example", "user@"):
        ask(daemon, domain)
    assert daemon.onionmap("pin", "list") == ""


def test_a_change_is_held_back(lab, state, dns):
    """On all listeners, until it is accepted; the log has a warning and no names."""
    tor = lab.tor()
    daemon = start(lab, state, dns, tor=tor)

    def all_say(host):
        for listener, settings in daemon.listeners.items():
            by_name = settings["answer"] == "onion"
            want = host if by_name else tor.resolve(host)
            assert daemon.ask(listener, "user@x.example").hosts() == [want], listener

    all_say(A)
    dns.on("x.example", does.one("b"))
    all_say(A)
    assert listed(daemon, "held") == [("x.example", "held back", f"{B}:25")]
    assert listed(daemon) == [("x.example", "pinned", f"{A}:25"), *listed(daemon, "held")]
    counters = daemon.counters()
    assert counters["pins_changed"] == 1
    assert counters["pins_held"] == len(daemon.listeners)
    assert len(warnings(daemon)) == 1 and "held back" in warnings(daemon)[0]
    printed = daemon.onionmap("pin", "accept", "x.example")
    assert re.fullmatch(rf"x\.example pinned since {DATE}: {B}:25\n", printed)
    assert listed(daemon) == [("x.example", "pinned", f"{B}:25")]
    all_say(B)
    assert daemon.counter("pins_renewed") == 1
    dns.on("x.example", does.one("a"))
    all_say(B)
    daemon.terminate()
    assert len(warnings(daemon)) == 2
    assert [secret for secret in SECRETS if secret in daemon.output()] == []


# What is pinned here: A, and B on port 2525.
PINNED = [(A, 25), (B, 2525)]

CHANGES = {
    "another onion": (does.srv((1, 0, 25, C), (2, 0, 2525, B)), [(C, 25), (B, 2525)]),
    "another port": (does.srv((1, 0, 26, A), (2, 0, 2525, B)), [(A, 26), (B, 2525)]),
    "ports exchanged": (does.srv((1, 0, 2525, A), (2, 0, 25, B)), [(A, 2525), (B, 25)]),
    "one more": (
        does.srv((1, 0, 25, A), (2, 0, 2525, B), (3, 0, 25, C)),
        [*PINNED, (C, 25)],
    ),
    "one less": (does.srv((1, 0, 25, A)), [(A, 25)]),
    "one mistyped": (does.srv((1, 0, 25, A), (2, 0, 2525, mistyped("b"))), [(A, 25)]),
    "a subdomain": (
        does.srv((1, 0, 25, "m." + A), (2, 0, 2525, B)),
        [("m." + A, 25), (B, 2525)],
    ),
    "NXDOMAIN": (does.nxdomain(), NONE),
    "NODATA": (does.nodata(), NONE),
    "nothing of use": (does.srv((1, 0, 25, "mail.example.org")), NONE),
    "the root": (does.srv((0, 0, 0, ".")), NONE),
}

NO_CHANGES = {
    "priorities": does.srv((7, 0, 25, A), (9, 0, 2525, B)),
    "weights": does.srv((1, 9, 25, A), (2, 9, 2525, B)),
    "order": does.srv((2, 0, 2525, B), (1, 0, 25, A)),
    "case": does.srv((1, 0, 25, A.upper()), (2, 0, 2525, B)),
    "one twice": does.srv((1, 0, 25, A), (2, 0, 2525, B), (3, 0, 25, A)),
    "TTL": does.srv((1, 0, 25, A), (2, 0, 2525, B), ttl=1),
    "one of no use besides": does.srv((1, 0, 25, A), (2, 0, 2525, B), (0, 0, 25, ".")),
}


@pytest.fixture
def pinned(lab, state, dns):
    """The daemon has used these before."""
    dns.on("x.example", does.srv((1, 0, 25, A), (2, 0, 2525, B)))
    daemon = start(lab, state, dns)
    assert ask(daemon).targets() == PINNED
    return daemon


@pytest.mark.parametrize("case", CHANGES)
def test_changes(pinned, dns, case):
    behaviour, new = CHANGES[case]
    dns.on("x.example", behaviour)
    for _ in range(3):
        assert ask(pinned).targets() == PINNED
    assert pinned.counted("pins_changed") == 1
    assert len(listed(pinned, "held")) == 1
    domain, _, text = listed(pinned, "held")[0]
    want = ["no route"] if new == NONE else [f"{host}:{port}" for host, port in new]
    assert domain == "x.example" and sorted(text.split(", ")) == sorted(want)
    pinned.onionmap("pin", "accept", "x.example")
    assert targets_or_outcome(ask(pinned)) == new
    assert pinned.onionmap("pin", "held") == ""
    assert bool(pinned.onionmap("pin", "list")) == (new != NONE)


@pytest.mark.parametrize("case", NO_CHANGES)
def test_no_changes(pinned, dns, case):
    dns.on("x.example", NO_CHANGES[case])
    assert ask(pinned).targets() == PINNED
    assert pinned.onionmap("pin", "held") == ""
    assert pinned.counted("pins_changed") == pinned.counted("pins_held") == 0
    assert warnings(pinned) == []


def test_priorities_are_those_of_dns(pinned, dns):
    dns.on("x.example", does.srv((2, 0, 25, A), (1, 0, 2525, B)))
    assert ask(pinned).targets() == PINNED[::-1]


def test_a_failure_is_no_change(pinned, dns):
    for behaviour in (does.servfail(), does.referral(), does.cut_rdata(b"")):
        dns.on("x.example", behaviour)
        assert ask(pinned).outcome == TEMP
    assert pinned.onionmap("pin", "held") == ""
    assert pinned.counted("pins_changed") == 0


def test_by_the_cache(lab, state, dns):
    """A change shows when the answer has expired, and is one change then."""
    dns.on("x.example", does.one("a", ttl=1))
    daemon = start(lab, state, dns, max_ttl=1)
    assert ask(daemon).hosts() == [A]
    dns.on("x.example", does.one("b", ttl=300))

    def noticed():
        assert ask(daemon).hosts() == [A]
        return daemon.counted("pins_changed")

    wait_until(noticed, "the change")
    for _ in range(3):
        assert ask(daemon).hosts() == [A]
    assert daemon.counted("pins_changed") == 1
    daemon.onionmap("pin", "accept", "x.example")
    assert ask(daemon).hosts() == [B]


BOTH = [(does.one("b"), [(B, 25)]), (does.nodata(), NONE)]


def validated(behaviour):
    """With the AD bit, as from a resolver that validates."""
    mark = lambda reply: reply[:3] + bytes([reply[3] | 0x20]) + reply[4:]
    return lambda q: [(wait, mark(reply)) for wait, reply in behaviour(q)]


@pytest.mark.parametrize("behaviour, new", BOTH)
def test_a_change_that_is_validated(lab, state, dns, behaviour, new):
    """It counts at once."""
    daemon = start(lab, state, dns)
    assert ask(daemon).hosts() == [A]
    dns.on("x.example", validated(behaviour))
    assert targets_or_outcome(ask(daemon)) == new
    assert daemon.counted("pins_renewed") == 1
    assert daemon.onionmap("pin", "held") == "" and warnings(daemon) == []


# The end of the hold


@pytest.mark.parametrize("behaviour, new", BOTH)
def test_pin_hold(lab, state, dns, behaviour, new):
    daemon = changed(lab, state, dns, behaviour, pin_hold=1)
    wait_until(lambda: targets_or_outcome(ask(daemon)) == new, "the end of the hold")
    assert daemon.counted("pins_renewed") == 1
    assert daemon.onionmap("pin", "held") == ""
    assert targets_or_outcome(ask(daemon)) == new


def test_no_hold(lab, state, dns):
    daemon = start(lab, state, dns, pin_hold=0)
    assert ask(daemon).hosts() == [A]
    dns.on("x.example", does.one("b"))
    assert ask(daemon).hosts() == [B]


def test_a_change_that_goes_away(lab, state, dns):
    """Also from the file."""
    daemon = changed(lab, state, dns)
    dns.on("x.example", does.one("a"))
    assert ask(daemon).hosts() == [A]
    for _ in range(2):
        assert listed(daemon) == [("x.example", "pinned", f"{A}:25")]
        end(daemon, "kill")
        daemon.start()


def test_a_change_of_the_change(lab, state, dns):
    """The time starts anew with it."""
    daemon = changed(lab, state, dns, pin_hold=3600)
    daemon.terminate()
    long_ago = pin("x.example", (1, 0, 25, A)) + held("x.example", (1, 0, 25, B))
    (state / "pins").write_bytes(long_ago)
    dns.on("x.example", does.one("c"))
    daemon.start()
    assert ask(daemon).hosts() == [A]
    assert listed(daemon, "held") == [("x.example", "held back", f"{C}:25")]
    assert ask(daemon).hosts() == [A]


@pytest.mark.parametrize("lasted, hosts", [(604800 * 3 // 4, [B]), (604800 // 2, [A]), (0, [A])])
def test_the_last_part_of_a_hold_while_the_daemon_was_down(lab, state, dns, lasted, hosts):
    """However long that was, it is one part of the hold."""
    long_ago = pin("x.example", (1, 0, 25, A)) + held("x.example", (1, 0, 25, B), lasted=lasted)
    (state / "pins").write_bytes(long_ago)
    dns.on("x.example", does.one("b"))
    daemon = start(lab, state, dns)
    assert ask(daemon).hosts() == hosts
    assert daemon.counted("pins_renewed") == (hosts == [B])


# The commands


@pytest.mark.parametrize(
    "domain, status, told",
    [
        ("x.example", 1, "x.example: no change is held back\n"),
        ("never-asked.example", 1, "never-asked.example: no change is held back\n"),
        ("", 1, "not a valid domain name\n"),
        ("user@x.example", 1, "not a valid domain name\n"),
        ("x..example", 1, "not a valid domain name\n"),
        ("x example", 1, "not a valid domain name\n"),
        ("x" * 64 + ".example", 1, "not a valid domain name\n"),
        ("x\nheld", 2, "onionmap: accept: expected a domain or an address, in one line of less than 512 bytes\n"),
    ],
)
def test_nothing_to_accept(lab, state, dns, domain, status, told):
    daemon = start(lab, state, dns)
    ask(daemon)
    assert daemon.try_onionmap("pin", "accept", domain) == (status, told)
    assert listed(daemon) == [("x.example", "pinned", f"{A}:25")]
    assert daemon.counted("pins_renewed") == 0


def test_accepted_once(lab, state, dns):
    daemon = changed(lab, state, dns)
    daemon.onionmap("pin", "accept", "x.example")
    assert daemon.try_onionmap("pin", "accept", "x.example")[0] == 1


@pytest.mark.parametrize("name", ["BÜCHER.example", "xn--bcher-kva.Example."])
def test_domains_as_people_write_them(lab, state, dns, name):
    dns.on("xn--bcher-kva.example", does.one("a"))
    daemon = start(lab, state, dns)
    ask(daemon, "bücher.example")
    dns.on("xn--bcher-kva.example", does.one("b"))
    ask(daemon, "bücher.example")
    daemon.onionmap("pin", "accept", name)
    assert ask(daemon, "bücher.example").hosts() == [B]


def test_what_an_accepted_absence_says(lab, state, dns):
    daemon = changed(lab, state, dns, does.nxdomain())
    printed = daemon.onionmap("pin", "accept", "x.example")
    assert "x.example" in printed and "no route" in printed
    assert "1970" not in printed


@pytest.mark.parametrize("words", [("list",), ("held",), ("accept", "x.example")])
def test_without_pins(lab, dns, words):
    daemon = lab.daemon(dns=dns)
    status, told = daemon.try_onionmap("pin", *words)
    assert (status, told) == (1, "no routes are pinned: pin_srv = no\n")


@pytest.mark.parametrize("words", [(), ("drop",), ("accept",), ("list", "x")])
def test_usage(lab, state, dns, words):
    assert start(lab, state, dns).try_onionmap("pin", *words)[0] == 2


def test_pins_need_a_state(lab):
    daemon = lab.make_daemon(**options(""))
    done = subprocess.run(
        [*ONIONMXD, "-t", "-c", daemon.config], capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 1
    fault = rf"{re.escape(str(daemon.config))}:\d+:1: pin_srv needs a state_dir\n"
    assert re.fullmatch(fault, done.stderr)


# Disk


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_a_restart(lab, state, dns, how):
    daemon = changed(lab, state, dns)
    dns.on("y.example", does.srv((1, 0, 2525, B), (1, 0, 25, C)))
    ask(daemon, "y.example")
    before = sorted(daemon.onionmap("pin", "list").splitlines())
    assert len(before) == 3
    end(daemon, how)
    assert stat.S_IMODE((state / "pins").stat().st_mode) == 0o600
    daemon.start()
    assert sorted(daemon.onionmap("pin", "list").splitlines()) == before
    assert ask(daemon).hosts() == [A]
    assert daemon.counted("pins_changed") == 0
    daemon.onionmap("pin", "accept", "x.example")
    end(daemon, how)
    daemon.start()
    assert ask(daemon).hosts() == [B]
    assert daemon.onionmap("pin", "held") == ""
    assert not (state / "pins.tmp").exists() and not (state / "pins.old").exists()


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_an_accepted_absence_outlives_a_restart(lab, state, dns, how):
    daemon = changed(lab, state, dns, does.nxdomain())
    daemon.onionmap("pin", "accept", "x.example")
    end(daemon, how)
    daemon.start()
    assert daemon.onionmap("pin", "list") == ""
    assert ask(daemon).outcome == NONE
    dns.on("x.example", does.one("c"))
    assert ask(daemon).hosts() == [C]
    assert listed(daemon) == [("x.example", "pinned", f"{C}:25")]


def flipped(text, at):
    changed = bytearray(text)
    changed[at] ^= 1
    return bytes(changed)


# The lines of d0 to d9, damaged, with what is lost and how many lines are damaged.
DAMAGE = {
    "a flipped bit": (lambda text: flipped(text, 10), {0}, 1),
    "cut": (lambda text: text[:-30], {9}, 1),
    "rubbish": (lambda text: text + b"\xff\0" * 1000 + b"\n", set(), 1),
    "a line of the cache": (lambda text: text.replace(b"pin", b"cache", 1), {0}, 1),
    "a change of nothing": (lambda text: held("z.example") + text, set(), 1),
    "all": (lambda text: b"x" * 5000, set(range(10)), 1),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage(lab, state, dns, case):
    """The other lines are kept, and so is the old file."""
    damage, lost, damaged = DAMAGE[case]
    text = b"".join(pin(f"d{i}.example", (1, 0, 25, onion(i))) for i in range(10))
    (state / "pins").write_bytes(damage(text))
    daemon = start(lab, state, dns)
    kept = {f"d{i}.example" for i in range(10) if i not in lost}
    assert {domain for domain, _, _ in listed(daemon)} == kept
    assert len(warnings(daemon)) == 1
    assert f"{state}/pins: ignored {damaged} lines that are damaged" in warnings(daemon)[0]
    assert f"{state}/pins.old" in warnings(daemon)[0]
    assert (state / "pins.old").read_bytes() == damage(text)
    daemon.terminate()
    daemon.start()
    assert {domain for domain, _, _ in listed(daemon)} == kept
    assert len(warnings(daemon)) == 1
    assert (state / "pins.old").read_bytes() == damage(text)


def refuses_to_start(daemon):
    Process.start(daemon)
    status = daemon.wait()
    left = [path for path in daemon.unix_paths() if path.exists()]
    return status == 1 and left == []


@pytest.mark.parametrize("name", ["pins", "pins.tmp"])
def test_a_directory_in_the_place_of_the_file(lab, state, dns, name):
    (state / name).mkdir()
    daemon = lab.make_daemon(dns=dns, **options(state))
    assert refuses_to_start(daemon)
    assert f"onionmxd: error: {state}/pins: Is a directory\n" in daemon.output()


def test_an_old_file_that_cannot_be_replaced(lab, state, dns):
    """Rather than lose what is damaged, it doesn't start."""
    (state / "pins").write_bytes(b"damaged\n")
    (state / "pins.old").mkdir()
    daemon = lab.make_daemon(dns=dns, **options(state))
    assert refuses_to_start(daemon)
    assert (state / "pins").read_bytes() == b"damaged\n"


@pytest.mark.parametrize("what", ["nothing", "a file"])
def test_no_directory(lab, state, dns, what):
    state.rmdir()
    if what == "a file":
        state.write_text("precious")
    daemon = lab.make_daemon(dns=dns, **options(state))
    assert refuses_to_start(daemon)
    assert f"onionmxd: error: {state}/pins" in daemon.output()


def test_max_pins(lab, state, dns):
    """Those of others are used as DNS says."""
    for domain in ("y.example", "z.example"):
        dns.on(domain, does.one("a"))
    daemon = start(lab, state, dns, max_pins=2)
    for domain in ("x.example", "y.example", "z.example"):
        assert ask(daemon, domain).hosts() == [A]
        dns.on(domain, does.one("b"))
    assert daemon.counted("pins_full") == 1
    assert ask(daemon, "x.example").hosts() == [A]
    assert ask(daemon, "y.example").hosts() == [A]
    assert ask(daemon, "z.example").hosts() == [B]
    assert {domain for domain, _, _ in listed(daemon)} == {"x.example", "y.example"}
    assert daemon.counted("pins_new") == 2


def test_a_smaller_max_pins(lab, state, dns):
    """What is too much then is left in the old file."""
    text = b"".join(pin(f"d{i}.example", (1, 0, 25, A)) for i in range(5))
    (state / "pins").write_bytes(text)
    daemon = start(lab, state, dns, max_pins=3)
    assert len(listed(daemon)) == 3
    assert "ignored 2 lines that are damaged or beyond max_pins" in warnings(daemon)[0]
    assert (state / "pins.old").read_bytes() == text


def today():
    return int(time.time()) // 86400


def test_an_untidy_file(lab, state, dns):
    """The last line of a domain counts; the others aren't written again."""
    lines = [pin("x.example", (1, 0, 25, host)) for host in (A, B) * 1000]
    lines += [held("x.example", (1, 0, 25, A)), pin("x.example"), pin("z.example")]
    want = [pin("y.example", (1, 0, 25, C), used=today()), held("y.example")]
    (state / "pins").write_bytes(b"".join(lines + want))
    daemon = start(lab, state, dns)
    assert (state / "pins").read_bytes() == b"".join(want)
    assert listed(daemon, "held") == [("y.example", "held back", "no route")]
    assert warnings(daemon) == []


def test_the_file_does_not_grow_for_ever(lab, state, dns):
    """One domain, and 1500 changes of it."""
    turns = itertools.cycle("ab")
    dns.on("x.example", lambda q: does.one(next(turns))(q))
    daemon = start(lab, state, dns)
    for _ in range(1500):
        assert ask(daemon).hosts() == [A]
    few = lambda: len((state / "pins").read_bytes().splitlines()) < 1100
    wait_until(few, "a shorter file")
    end(daemon, "kill")
    daemon.start()
    assert ask(daemon).hosts() == [A]


def full_disk(lab, state, dns, room):
    """A daemon with a thousand pins, whose file can only grow by so many bytes."""
    text = b"".join(pin(f"d{i}.example", (1, 0, 25, onion(i))) for i in range(1000))
    (state / "pins").write_bytes(text)
    limit = ("prlimit", f"--fsize={len(text) + room}:")
    daemon = start(lab, state, dns, prefix=limit)
    assert ask(daemon).hosts() == [A]
    return daemon


def unlimited(daemon):
    subprocess.run(["prlimit", f"--pid={daemon.pid}", "--fsize=unlimited:"], check=True)
    daemon.args = daemon.args[2:]


@pytest.mark.parametrize("room", [0, 20])
def test_a_full_disk(lab, state, dns, room):
    """It is told once. Later all is written after all."""
    daemon = full_disk(lab, state, dns, room)
    dns.on("y.example", does.one("a"))
    assert ask(daemon, "y.example").hosts() == [A]
    dns.on("x.example", does.one("b"))
    assert ask(daemon).hosts() == [A]
    wait_until(lambda: daemon.counted("state_failures") > 0, "a try")
    told = f"onionmxd: warning: can't write {state}/pins: until then changed pins "
    assert [text.startswith(told) for text in warnings(daemon)].count(True) == 1
    assert not (state / "pins.tmp").exists()
    unlimited(daemon)
    dns.on("y.example", does.one("b"))
    assert ask(daemon, "y.example").hosts() == [A]
    end(daemon, "kill")
    daemon.start()
    assert len(listed(daemon)) == 1004
    changes = {domain for domain, _, _ in listed(daemon, "held")}
    assert changes == {"x.example", "y.example"}
    assert not any("damaged" in text for text in warnings(daemon))


def test_half_a_line(lab, state, dns):
    daemon = full_disk(lab, state, dns, 20)
    wait_until(lambda: daemon.counted("state_failures") > 0, "a try")
    daemon.kill()
    daemon.hang_up()
    daemon.args = daemon.args[2:]
    daemon.start()
    assert f"{state}/pins: ignored 1 lines that are damaged" in daemon.output()
    assert len(listed(daemon)) == 1000


def cpu_s(daemon):
    """Of the loop."""
    stat = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/stat").read_text()
    user, system = stat.rsplit(") ")[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_a_full_disk_holds_up_nobody(lab, state, dns):
    """However many pins there are, a new one is a line. It took 134 ms with 50,000."""
    text = b"".join(pin(f"d{i}.example", (1, 0, 25, A)) for i in range(20000))
    (state / "pins").write_bytes(text)
    limit = ("prlimit", f"--fsize={len(text) + 5 * 20000 + 100}:")
    for i in range(200):
        dns.on(f"new{i}.example", does.one("a"))
    daemon = start(lab, state, dns, prefix=limit)
    before = cpu_s(daemon)
    for i in range(200):
        assert ask(daemon, f"new{i}.example").hosts() == [A]
    assert cpu_s(daemon) - before < 2 * SLACK
    assert daemon.counted("pins_new") == 200
    wait_until(lambda: daemon.counted("state_failures") > 0, "a try")


READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'


def test_a_read_only_state(lab, state, dns):
    """What was pinned is used, with a warning."""
    daemon = start(lab, state, dns)
    assert ask(daemon).hosts() == [A]
    end(daemon, "terminate")
    before = (state / "pins").read_bytes()
    daemon.args = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", str(state), *daemon.args]
    daemon.start()
    dns.on("x.example", does.one("b"))
    dns.on("y.example", does.one("b"))
    assert ask(daemon).hosts() == [A]
    assert ask(daemon, "y.example").hosts() == [B]
    told = f"onionmxd: warning: can't write {state}/pins: until then changed pins "
    wait_until(lambda: told in daemon.output(), "a warning")
    end(daemon, "terminate")
    assert (state / "pins").read_bytes() == before


def test_who_gives_way(lab, state, dns):
    """When max_pins are there, a pin that has gone unused for long; also on disk."""
    old = [("a", 1), ("b", 300), ("c", 0)]
    text = b"".join(
        pin(f"{x}.example", (1, 0, 25, A), used=today() - days) for x, days in old
    )
    (state / "pins").write_bytes(text)
    dns.on("y.example", does.one("a"))
    daemon = start(lab, state, dns, max_pins=3)
    for domain in ("x.example", "y.example"):
        assert ask(daemon, domain).hosts() == [A]
    for _ in range(2):
        domains = {domain for domain, _, _ in listed(daemon)}
        assert domains == {"a.example", "c.example", "x.example"}
        if _ == 0:
            assert daemon.counted("pins_dropped") == daemon.counted("pins_full") == 1
        end(daemon, "kill")
        daemon.start()


def test_one_domain_does_not_take_all(lab, state, dns):
    """Of the names below one domain a quarter of max_pins can be pinned."""
    daemon = start(lab, state, dns, max_pins=20)
    for i in range(20):
        dns.on(f"x{i}.evil.example", does.one("a"))
        ask(daemon, f"x{i}.evil.example")
    assert len(listed(daemon)) == 5
    assert ask(daemon).hosts() == [A]
    assert "x.example" in {domain for domain, _, _ in listed(daemon)}


def test_nearly_full(lab, state, dns):
    """A warning, once."""
    daemon = start(lab, state, dns, max_pins=10)
    for i in range(9):
        dns.on(f"n{i}.example", does.one("a"))
        ask(daemon, f"n{i}.example")
    assert len(warnings(daemon)) == 1
    assert "80 % of max_pins domains are pinned" in warnings(daemon)[0]
