"""Questions all the time, while something happens to the daemon's surroundings."""

import threading
import time
from typing import NamedTuple

from .clients import Answer


class Record(NamedTuple):
    began: float  # of time.monotonic()
    ended: float
    listener: str
    key: str
    answer: Answer  # None: the connection failed
    error: Exception = None


class Load:
    """Asks the named listeners in turn for the keys in turn, from one thread for each
    listener, with a short pause between questions."""

    def __init__(self, daemon, listeners, keys, pause=0.002):
        self.records = []
        self._stop = threading.Event()
        self._pause = pause
        self._threads = [
            threading.Thread(target=self._run, args=(daemon.client(name), name, keys))
            for name in listeners
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def since(self, moment):
        """What was asked after that moment."""
        return [r for r in self.records if r.began >= moment]

    def progress(self, count):
        """Waits until so many more questions have been answered."""
        goal = len(self.records) + count
        end = time.monotonic() + 60
        while len(self.records) < goal:
            assert time.monotonic() < end, "the load doesn't move"
            time.sleep(0.005)

    def _run(self, client, name, keys):
        while not self._stop.is_set():
            for key in keys:
                self._ask(client, name, key)
                if self._stop.wait(self._pause):
                    break
        client.close()

    def _ask(self, client, name, key):
        began = time.monotonic()
        answer = error = None
        try:
            answer = client.ask(key)
        except (OSError, AssertionError) as e:
            error = e
            client.close()
        self.records.append(Record(began, time.monotonic(), name, key, answer, error))
