"""The directory authority of a network: its keys, its only vote, and what it serves."""

import http.client
import re
import subprocess
import time

from harness.proc import SLACK, wait_until

from .node import DIR_PORT, OR_PORT

# A dead one: tor wants to know an authority even to make a key.
NOBODY = "127.255.255.254:1 0000000000000000000000000000000000000002"

# The grid of the first vote (TestingV3AuthInitialVotingInterval).
INTERVAL = 1800

# Which flags each relay must have.
FLAGS = {"Running", "Valid", "Guard", "HSDir"}


def far_offset():
    """Moves the next vote a quarter of an hour away."""
    return int(time.time() + INTERVAL / 2) % INTERVAL


def make_keys(network, relay):
    """The keys of the authority, before it starts for the first time. Returns the line
    by which all others know it."""
    relay.dir.mkdir(mode=0o700)
    keys = relay.dir / "data/keys"
    keys.mkdir(mode=0o700, parents=True)
    keys.parent.chmod(0o700)
    place = f"{relay.host}:{DIR_PORT}"
    command = ["tor-gencert", "--create-identity-key", "-m", "12", "-a", place]
    with subprocess.Popen(
        [*command, "--passphrase-fd", "0"],
        cwd=keys,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as certifier:
        fingerprint = _fingerprint(network, relay)
        said, _ = certifier.communicate(timeout=60 * SLACK)
    assert certifier.returncode == 0, said
    certificate = (keys / "authority_certificate").read_text()
    identity = re.search(r"^fingerprint ([0-9A-F]{40})$", certificate, re.M)[1]
    return (
        f"DirAuthority {relay.name} orport={OR_PORT} v3ident={identity} "
        f"{place} {fingerprint}"
    )


def _fingerprint(network, relay):
    torrc = relay.dir / "torrc-keys"
    torrc.write_text(
        f"DirAuthority nobody orport=1 v3ident={'0' * 39}1 {NOBODY}\n"
        f"DataDirectory {relay.dir}/data\n"
        f"ORPort {relay.host}:{OR_PORT}\n"
        f"Nickname {relay.name}\n"
    )
    done = subprocess.run(
        ["tor", "--defaults-torrc", network.empty, "-f", torrc, "--list-fingerprint"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60 * SLACK,
    )
    assert done.returncode == 0, done.stdout
    torrc.unlink()
    lines = (relay.dir / "data/fingerprint").read_text().split()
    return lines[1]


class Directory:
    """What the authority serves by HTTP."""

    def __init__(self, relay):
        self.relay = relay

    def get(self, path):
        """The document; None if there is none."""
        client = http.client.HTTPConnection(
            self.relay.host, DIR_PORT, timeout=10 * SLACK
        )
        try:
            client.request("GET", path)
            reply = client.getresponse()
            body = reply.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            client.close()
        return body.decode() if reply.status == 200 else None

    def knows(self, count):
        """It has the descriptors of all relays."""
        return len(re.findall(r"^router ", self.get("/tor/server/all") or "", re.M)) >= count

    def consensus(self):
        return self.get("/tor/status-vote/current/consensus-microdesc")

    def vote(self, network):
        """Has it vote at once, and returns the consensus. A busy machine may miss the
        moment; then there is another one."""
        for _ in range(5):
            network.offset = int(time.time() + 2) % INTERVAL
            option = "TestingV3AuthVotingStartOffset"
            self.relay.control.command(f"SETCONF {option}={network.offset}")
            try:
                return wait_until(self.consensus, "the consensus", 5)
            except AssertionError:
                continue
        raise AssertionError("no vote led to a consensus")

    def seed(self, directory, consensus):
        """Writes what a client caches."""
        digests = re.findall(r"^m (\S+)$", consensus, re.M)
        documents = {
            "cached-certs": self.get("/tor/keys/all"),
            "cached-microdesc-consensus": consensus,
            "cached-microdescs": self._microdescriptors(digests),
        }
        directory.mkdir()
        for name, text in documents.items():
            assert text, f"the authority has no {name}"
            (directory / name).write_text(text)

    def _microdescriptors(self, digests):
        text = self.get("/tor/micro/d/" + "-".join(digests)) or ""
        found = re.split(r"^(?=onion-key$)", text, flags=re.M)[1:]
        assert len(found) == len(digests), "microdescriptors are missing"
        stamp = time.strftime("@last-listed %Y-%m-%d %H:%M:%S\n", time.gmtime())
        return "".join(stamp + one for one in found)


def check_consensus(text, count):
    """All relays are in it, with the flags that onion services need."""
    flags = [set(line.split()) for line in re.findall(r"^s (.*)$", text, re.M)]
    good = [f for f in flags if f >= FLAGS]
    assert len(good) == count, f"{len(good)} of {count} relays in\n{text}"
