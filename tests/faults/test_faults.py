"""Every call may fail: each case makes one call of the C library fail, the nth one or some
in a row, at the start or while the daemon has all kinds of work. It must not crash, hang,
answer wrongly or lose anything, and once the fault is over all is well again.

"make faults" says by the environment how many cases there are, which (the seed), or that only
one is played again, as the report prints it: when, the call, the first of them that fails,
the error, and how many fail in a row.

libc's own calls of the kernel don't fail. Neither does memory that the sanitizers' build gets
for the libraries, but for c-ares, which gets it by a function of the daemon."""

import contextlib
import os
import traceback

import pytest

from harness.proc import SLACK
from mailsite import Site
from shim import Fault, choose

CASES = int(os.environ.get("FAULTS_CASES", "500"))
SEED = int(os.environ.get("FAULTS_SEED", "1"))
ONLY = os.environ.get("FAULTS_ONLY")
BATCH = 25
ALL = 1 << 40  # of Fault.length
BATCHES = range(1 if ONLY else (CASES + BATCH - 1) // BATCH)


class Report:
    """Of all cases of a batch in which something was wrong."""

    def __init__(self, site, phase, seed):
        self.site, self.phase, self.seed = site, phase, seed
        self.wrong = []

    @contextlib.contextmanager
    def case(self, fault, then):
        """What is done then gets the daemon into a state for the next case."""
        try:
            yield
        except (AssertionError, OSError, ValueError) as error:
            steps = " > ".join(f.name for f in traceback.extract_tb(error.__traceback__)[1:])
            what = f"ONLY={self.phase}:{fault} of batch {self.seed}, in {steps}"
            trace = self.site.shim.trace()
            self.wrong.append(f"{what}: {type(error).__name__} {error}\n{trace}")
            then()

    def end(self):
        assert not self.wrong, "\n".join(self.wrong)


def count(site):
    """How many of each call there are in each phase. The state is then as it is for all that
    comes."""
    counted = {}

    def measure(phase, what):
        before = site.shim.counted()
        what()
        after = site.shim.counted()
        counted[phase] = {call: after[call] - before[call] for call in after}

    site.start()
    site.begin()
    measure("work", site.work)
    measure("save", site.saved)
    site.healthy()
    measure("end", site.end)
    site.start().kill()
    site.start()
    counted["start"] = site.shim.counted()
    site.end()
    return counted


def play_starts(site, faults, report):
    """Every other one over what a daemon has left that was killed."""
    for number, fault in enumerate(faults):
        with report.case(fault, site.kill):
            if site.try_start(fault):
                site.shim.disarm()
                site.kept()
                site.healthy()
                if number % 2:
                    site.kill()
                else:
                    site.end()


def play_work(site, faults, report):
    site.start()
    for fault in faults:
        with report.case(fault, site.restart):
            site.shim.arm(fault)
            site.work(patience=0.3 if fault.length == ALL else 8)
            site.shim.disarm()
            site.healthy()
    site.end()


def play_saves(site, faults, report):
    """Of the cache, which a child does."""
    site.start()
    for fault in faults:
        with report.case(fault, site.restart):
            site.shim.arm(fault)
            site.saved(must=False)
            site.shim.disarm()
            site.healthy()
    site.saved()
    site.end()


def play_ends(site, faults, report):
    for fault in faults:
        with report.case(fault, site.kill):
            site.start()
            site.healthy()
            site.remember()
            site.shim.arm(fault)
            site.end_badly()
            site.shim.disarm()


PLAY = {"start": play_starts, "work": play_work, "save": play_saves, "end": play_ends}

# Of twenty batches. One takes longer than the others, so it comes first.
PHASES = ["save", "end"] + ["start", "work", "work"] * 6


def play(site, phase, faults, seed):
    report = Report(site, phase, seed)
    try:
        PLAY[phase](site, faults, report)
    finally:
        report.end()


def play_one(site):
    phase, _, fault = ONLY.partition(":")
    count(site)
    play(site, phase, [Fault.parse(fault)], "none")
    print(site.daemon.output())


@pytest.fixture
def site(lab):
    site = Site(lab)
    yield site
    site.daemon.stop()


@pytest.mark.timeout(300 * SLACK)
@pytest.mark.parametrize("batch", BATCHES)
def test_faults(site, batch):
    if ONLY is not None:
        play_one(site)
        return
    number = min(BATCH, CASES - batch * BATCH)
    seed = f"{SEED}.{batch}"
    phase = PHASES[batch % len(PHASES)]
    play(site, phase, choose(count(site)[phase], number, seed), seed)
    site.start()
    site.kept()
    site.healthy()
    site.end()
