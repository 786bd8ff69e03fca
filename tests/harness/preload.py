"""Small libraries that take the place of a function (LD_PRELOAD, ld.so(8)). They are made
by cc when a test needs them."""

import mmap
import struct
import subprocess


def make(workdir, name, source):
    """The words to stand before a command."""
    library = workdir / f"{name}.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", library, "-x", "c", "-"],
        input=source,
        text=True,
        check=True,
    )
    return ["env", f"LD_PRELOAD={library}"]


def together(*prefixes):
    """One prefix in place of several of make()."""
    libraries = [prefix[1].removeprefix("LD_PRELOAD=") for prefix in prefixes]
    return ["env", f"LD_PRELOAD={':'.join(libraries)}"]


CLOCK = """\
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile long *ahead;

__attribute__((constructor)) static void
begin(void)
{
	int fd = open("%s", O_RDONLY | O_CLOEXEC);
	void *p = mmap(0, sizeof(*ahead), PROT_READ, MAP_SHARED, fd, 0);

	if (p != MAP_FAILED)
		ahead = p;
	close(fd);
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = (int)syscall(SYS_clock_gettime, id, ts);

	if (rc == 0 && ahead && %s)
		ts->tv_sec += *ahead;
	return rc;
}
"""


NO_MEMORY = """\
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

static long count, first, last;

__attribute__((constructor)) static void
begin(void)
{
	first = atol(getenv("NO_MEMORY_FROM"));
	last = atol(getenv("NO_MEMORY_TO"));
	count = 0;
}

static int
fails(void)
{
	if (last == 0 || ++count < first || count > last)
		return 0;
	errno = ENOMEM;
	return 1;
}

void *
malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t size)
{
	return fails() ? NULL : __libc_realloc(p, size);
}

/* glibc's own crash when their first allocation fails. */
struct passwd *
getpwnam(const char *name)
{
	static char text[] = "root";
	static struct passwd root = {text, text, 0, 0, text, text, text};

	errno = 0;
	return fails() || strcmp(name, "root") != 0 ? NULL : &root;
}

struct group *
getgrnam(const char *name)
{
	static char text[] = "root", *nobody[] = {NULL};
	static struct group root = {text, text, 0, nobody};

	errno = 0;
	return fails() || strcmp(name, "root") != 0 ? NULL : &root;
}
"""
"""Allocations from $NO_MEMORY_FROM to $NO_MEMORY_TO fail; the first is 1. Each look at a
user or a group counts as one."""


class Clock:
    """Of a process that is started behind prefix: how far it is ahead of the machine's.
    The time of day stays as it is. By suspending, only the clock goes on that counts the
    time of a suspended machine."""

    MOVES = "id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE"
    SUSPENDED = "id == CLOCK_BOOTTIME"

    def __init__(self, workdir, moves=MOVES):
        path = workdir / "clock"
        path.write_bytes(bytes(8))
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)
        self.prefix = make(workdir, "clock", CLOCK % (path, moves))
        self.ahead = 0

    def advance(self, seconds):
        self.ahead += seconds
        self._map[:] = struct.pack("l", self.ahead)
