"""Many connections at once, from one thread, and how long each answer takes."""

import contextlib
import re
import selectors
import threading
import time
from bisect import bisect_left, bisect_right
from collections import deque
from pathlib import Path
from typing import NamedTuple

from .clients import CLIENTS, Answer, connect, parse_socketmap, parse_tcp_table
from .proc import SLACK


class Timed(NamedTuple):
    key: str
    answer: Answer
    seconds: float
    alone: bool  # no other question was under way on its connection
    ended: float  # of time.monotonic()


class Connection:
    """Has up to a window of questions under way."""

    def __init__(self, daemon, listener, window):
        self.socket = connect(daemon.address(listener))
        self.protocol = daemon.listeners[listener]["protocol"]
        self.request = CLIENTS[self.protocol].request
        self.window = window
        self.asked = deque()
        self.data = b""

    def ask(self, keys):
        """As many of the keys as there is room for."""
        batch = []
        while keys and len(self.asked) + len(batch) < self.window:
            batch.append(keys.popleft())
        if batch:
            now = time.monotonic()
            self.asked.extend((key, now) for key in batch)
            self.socket.sendall(b"".join(map(self.request, batch)))

    def answers(self, now):
        """Those that have come: now is a moment when they were there."""
        chunk = self.socket.recv(65536)
        assert chunk, "closed"
        self.data += chunk
        while (answer := self._take()) is not None:
            key, began = self.asked.popleft()
            yield Timed(key, answer, now - began, self.window == 1, now)

    def _take(self):
        if self.protocol == "tcp_table":
            line, newline, rest = self.data.partition(b"\n")
            if not newline:
                return None
            self.data = rest
            return parse_tcp_table(line + newline)
        head = re.match(rb"(\d+):", self.data)
        end = head and head.end() + int(head[1])
        if not head or len(self.data) <= end:
            return None
        payload, comma = self.data[head.end() : end], self.data[end : end + 1]
        assert comma == b",", payload
        self.data = self.data[end + 1 :]
        return parse_socketmap(payload)


def ask_all(daemon, keys, listeners, alone, pipelined=0, window=1):
    """An answer for each key. Each listener gets so many connections which ask one
    question at a time, and so many which ask ahead."""
    keys = deque(keys)
    results, wanted = [], len(keys)
    windows = [1] * alone + [window] * pipelined
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for connection in [Connection(daemon, n, w) for w in windows for n in listeners]:
            stack.enter_context(connection.socket)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.ask(keys)
        while len(results) < wanted:
            ready = selector.select(10 * SLACK)
            assert ready, f"{wanted - len(results)} answers don't come"
            now = time.monotonic()
            for key, _ in ready:
                results += key.data.answers(now)
                key.data.ask(keys)
    return results


class Heartbeat:
    """How long this process was held up at most: an answer can be late because of the
    machine as far as the machine itself was late.

    A process that looks at the clock and sleeps gets the processor at once. One that has
    work to do waits for its turn where others have, too: how long the process with the
    number did so is asked of the kernel."""

    TICK = 0.002

    def __init__(self, pid):
        self.longest = 0
        self._schedstat = Path(f"/proc/{pid}/schedstat")
        self._samples = []  # (when, how long it had waited by then)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._sample()

    def starved(self, begin, end):
        """How long the other process was ready to run, and didn't, in that time."""
        first = bisect_right(self._samples, (begin, float("inf"))) - 1
        last = bisect_left(self._samples, (end,))
        return self._samples[last][1] - self._samples[first][1]

    def _sample(self):
        waited = int(self._schedstat.read_text().split()[1]) / 1e9
        self._samples.append((time.monotonic(), waited))

    def _run(self):
        before = time.monotonic()
        while not self._stop.wait(self.TICK):
            now = time.monotonic()
            self.longest = max(self.longest, now - before - self.TICK)
            before = now
            self._sample()
