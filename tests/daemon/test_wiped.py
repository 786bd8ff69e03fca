"""Local parts of recipients don't stay in the daemon's memory."""

import signal
import socket

import pytest

from harness import preload
from harness.clients import ROUTE, connect, read_all
from harness.onion import onion
from harness.proc import wait_until

# At SIGUSR2 the process looks for a word in all that it may write, and says how often it
# is there. Its complement is what the process is told.
SEARCH = """\
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char complement[] = "%s";
static char *copy; /* of a piece of memory; behind it is the word */
static char *word; /* these two aren't looked at */
#define PIECE (1UL << 20)
#define WORD_LEN (sizeof(complement) - 1)

static unsigned long
count_in(unsigned long from, unsigned long to, int mem)
{
	unsigned long n = 0;

	for (unsigned long at = from; at < to; at += PIECE - 64) {
		size_t want = to - at < PIECE ? to - at : PIECE;
		ssize_t got = pread(mem, copy, want, (off_t)at);
		char *end = copy + (got > 0 ? got : 0), *p = copy;

		while ((p = memmem(p, (size_t)(end - p), word, WORD_LEN)))
			n++, p++;
		if (want < PIECE)
			break;
	}
	return n;
}

static void
search(int signo)
{
	FILE *maps = fopen("/proc/self/maps", "r"), *out = fopen("%s.tmp", "w");
	int mem = open("/proc/self/mem", O_RDONLY);
	unsigned long from, to, n = 0;
	char line[512], rights[5];

	for (size_t i = 0; i < WORD_LEN; i++)
		word[i] = (char)(complement[i] ^ 1);
	while (fgets(line, sizeof(line), maps) != NULL)
		if (sscanf(line, "%%lx-%%lx %%4s", &from, &to, rights) == 3 &&
			rights[1] == 'w' && to - from < 1UL << 32 &&
			((unsigned long)copy < from || (unsigned long)copy >= to))
			n += count_in(from, to, mem);
	explicit_bzero(word, WORD_LEN);
	fprintf(out, "%%lu", n);
	fclose(out);
	fclose(maps);
	close(mem);
	rename("%s.tmp", "%s");
}

__attribute__((constructor)) static void
begin(void)
{
	/* Between two pages that can't be read, so that it is a mapping by itself. */
	copy = mmap(0, PIECE + 12288, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	copy += 4096;
	word = copy + PIECE;
	mprotect(copy, PIECE + 4096, PROT_READ | PROT_WRITE);
	signal(SIGUSR2, search);
}
"""

WORD = "fluegelhorn"
KEY = f"{WORD}@a.example"


class Searched:
    def __init__(self, lab, **options):
        self.found = lab.dir / "found"
        complement = "".join(chr(ord(c) ^ 1) for c in WORD)
        source = SEARCH % (complement, self.found, self.found, self.found)
        self.daemon = lab.make_daemon(map=f"a.example {onion(1)}\n", **options)
        prefix = preload.make(lab.dir, "search", source)
        self.daemon.args = [*prefix, *self.daemon.args]
        self.daemon.start()

    def count(self):
        self.found.unlink(missing_ok=True)
        self.daemon.signal(signal.SIGUSR2)
        wait_until(self.found.exists, "the search")
        return int(self.found.read_text())

    def forgets(self):
        """In a moment: an answer is sent before its request is wiped."""
        wait_until(lambda: self.count() == 0, "the end of the word", 5)


@pytest.fixture
def searched(lab):
    return Searched(lab)


def test_the_search_finds_what_is_there(lab, searched):
    """In a request that isn't whole yet."""
    assert searched.count() == 0
    with connect(searched.daemon.address("tcp_table")) as s:
        s.sendall(f"get {KEY}".encode())
        wait_until(lambda: searched.count() > 0, "the request")
        s.sendall(b"\n")
        assert s.recv(1000).startswith(b"200 ")
        searched.forgets()


@pytest.mark.parametrize("listener", ["tcp_table", "socketmap"])
def test_after_an_answer(searched, listener):
    assert searched.daemon.ask(listener, KEY).outcome == ROUTE
    searched.forgets()


def test_after_an_answer_to_exim(lab):
    searched = Searched(lab, tor=lab.tor())
    assert searched.daemon.ask("readsocket", KEY).outcome == ROUTE
    searched.forgets()


def test_in_quotes_and_escaped(searched):
    with connect(searched.daemon.address("tcp_table")) as s:
        s.sendall(f'get "{WORD}%20{WORD}"%40a.example\n'.encode())
        assert s.recv(1000).startswith(b"200 ")
        searched.forgets()


@pytest.mark.parametrize("end", ["refused", "gone"])
def test_after_no_answer(searched, end):
    """A request that is refused, with much behind it; one that never becomes whole."""
    with connect(searched.daemon.address("tcp_table")) as s:
        if end == "refused":
            s.sendall(f"give {KEY}\n".encode() * 1000)
            s.shutdown(socket.SHUT_WR)
            assert read_all(s)
        else:
            s.sendall(f"get {KEY}".encode())
            wait_until(lambda: searched.count() > 0, "the request")
    searched.forgets()


def test_after_an_explanation(searched):
    assert onion(1) in searched.daemon.onionmap("explain", KEY)
    searched.forgets()
