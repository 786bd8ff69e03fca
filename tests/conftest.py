"""For all tests in Python: a laboratory for each, and a limit to its time."""

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.lab import Lab  # noqa: E402
from harness.proc import SLACK  # noqa: E402


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(60 * SLACK))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    lab = item.funcargs.get("lab") if hasattr(item, "funcargs") else None
    if report.failed and lab is not None:
        report.sections.append(("what ran in the lab", lab.logs()))


@pytest.fixture
def lab():
    """Its directory has a short name: the path of a Unix socket has 107 bytes."""
    workdir = Path(tempfile.mkdtemp(prefix="omx"))
    lab = Lab(workdir)
    try:
        workdir.chmod(0o755)
        yield lab
    finally:
        try:
            lab.close()
        finally:
            shutil.rmtree(workdir, ignore_errors=True)
