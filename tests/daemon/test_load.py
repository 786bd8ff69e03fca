"""The load of the benchmarks: the daemon under it, and that it checks what it gets."""

import re
import subprocess
from pathlib import Path

import pytest

from bench import programs, table
from harness.clients import CLIENTS
from harness.daemon import ONIONMXD
from harness.onion import onion

NAMES = 50
MAP = "".join(f"d{i}.example {onion(i)}\n" for i in range(NAMES))


@pytest.fixture(autouse=True)
def build(monkeypatch):
    monkeypatch.setattr(programs, "build", Path(ONIONMXD[-1]).parent)
    for core in ("ON_LOAD_CORE", "ON_SERVER_CORE"):
        monkeypatch.setattr(programs, core, ())


def pairs(protocol):
    framed = {
        "tcp_table": lambda value: f"200 {value}\n",
        "socketmap": lambda value: f"{len(value) + 3}:OK {value},",
    }[protocol]
    return [
        (
            CLIENTS[protocol].request(f"d{i}.example"),
            framed(f"smtptor:[{onion(i)}]:25").encode(),
        )
        for i in range(NAMES)
    ]


@pytest.mark.parametrize("depth", [1, 16])
@pytest.mark.parametrize("protocol", ["tcp_table", "socketmap"])
def test_each_answer_is_checked(lab, protocol, depth):
    daemon = lab.daemon(map=MAP)
    right = pairs(protocol)
    file = programs.write_items(lab.dir / "right", right)
    shape = {"connections": 8, "depth": depth, "questions": 5000}
    done = programs.load_server(daemon, daemon.address(protocol), file, **shape)
    assert done.questions == 5000
    assert 0 < done.median <= done.p99 <= done.longest
    assert daemon.counter("answers_route") == 5000

    question, answer = right[NAMES // 2]
    wrong = [*right]
    wrong[NAMES // 2] = question, answer[:-3] + b"6" + answer[-2:]
    file = programs.write_items(lab.dir / "wrong", wrong)
    with pytest.raises(subprocess.CalledProcessError):
        programs.load(daemon.address(protocol), file, **shape)


@pytest.mark.parametrize("unix", [False, True])
@pytest.mark.parametrize("name", ["bare", "buffered"])
def test_the_servers_beside_it(lab, name, unix):
    question, answer = b"get example.org\n", b"200 x\n"
    server = lab.run(programs.reference(lab.dir, name, question, "200 x\n", unix=unix))
    file = programs.write_items(lab.dir / "items", [(question, answer)])
    done = programs.load(server.address, file, connections=4, depth=16, questions=4000)
    assert done.questions == 4000


def test_a_missed_target_is_told():
    met = table.compare("what", 1.1, 1.0, "us", at_most=1.15)
    missed = table.compare("what", 1.2, 1.0, "us", at_most=1.15)
    assert met.reached and not missed.reached
    rows = table.as_markdown([met, missed]).splitlines()
    assert re.search(r"1\.10", rows[-2]) and re.search(r"1\.20", rows[-1])
    assert rows[-2] != rows[-1].replace("1.20", "1.10")
