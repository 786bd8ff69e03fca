"""What the tests of mail over Tor stand on: a network namespace, and a Tor network in
it, for each test."""

import contextlib
import fcntl

import pytest

from .netns import Namespace
from .site import World
from .tornet import Network


@contextlib.contextmanager
def namespace_if_permitted():
    """None without the right to make one. Then the networks have addresses of their own,
    and there is no port 53."""
    with contextlib.ExitStack() as stack:
        try:
            inside = stack.enter_context(Namespace())
        except PermissionError:
            inside = None
        yield inside


@pytest.fixture(autouse=True)
def maybe_namespace():
    """Every test is in one of its own, which has nothing but "lo"."""
    with namespace_if_permitted() as inside:
        yield inside


@pytest.fixture
def namespace(maybe_namespace):
    """For a test that can't do without."""
    assert maybe_namespace, "this user may not make network namespaces"
    return maybe_namespace


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory, worker_id):
    """A network of relays, built once for all workers of a run. Its addresses are fixed,
    so workers can't share it if they share the machine's network."""
    directory = tmp_path_factory.getbasetemp()
    with namespace_if_permitted() as inside:
        if inside and worker_id != "master":
            directory = directory.parent
        file = directory / "tornet.snapshot"
        with open(directory / "tornet.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not file.exists():
                with Network(tmp_path_factory.mktemp("tor")) as network:
                    network.build().snapshot(file)
    return file


@pytest.fixture
def tornet(lab, snapshot, maybe_namespace):
    """A fresh network of relays; the test adds services and clients, and waits. All of
    it ends with the test."""
    with Network(lab.dir / "tor") as network:
        yield network.restore(snapshot)


@pytest.fixture
def world(request, lab, namespace, tornet):
    """What is out there, and the sending site. It sends by the bridge if the module's
    BRIDGE says so, as that of each file does whose name does."""
    bridge = getattr(request.module, "BRIDGE", False)
    assert bridge == ("bridge" in request.module.__name__)
    with contextlib.ExitStack() as stack:
        yield World(lab, namespace, tornet, stack, bridge=bridge)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    network = item.funcargs.get("tornet") if hasattr(item, "funcargs") else None
    if report.failed and network is not None:
        report.sections.append(("the Tor network", network.logs()))
