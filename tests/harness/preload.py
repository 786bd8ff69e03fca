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

	if (rc == 0 && id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE && ahead)
		ts->tv_sec += *ahead;
	return rc;
}
"""


class Clock:
    """Of a process that is started behind prefix: how far it is ahead of the machine's.
    The time of day stays as it is."""

    def __init__(self, workdir):
        path = workdir / "clock"
        path.write_bytes(bytes(8))
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)
        self.prefix = make(workdir, "clock", CLOCK % path)
        self.ahead = 0

    def advance(self, seconds):
        self.ahead += seconds
        self._map[:] = struct.pack("l", self.ahead)
