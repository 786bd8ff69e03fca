#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Holds a line of the greatest length and leaves room to read more. */
#define BUFFER (4 * INPUT_LINE_MAX)

/* No map is larger, see cdbfile.h. Endless input must end somewhere. */
#define SPOOL_MAX UINT32_MAX

struct input {
	int fd;
	struct stat opened; /* as it was then */
	uint64_t offset;    /* in the file, of buf[start] */
	size_t start, have; /* what isn't consumed: buf[start] to buf[start + have] */
	bool end;           /* of the file: buf holds the last of it */
	uint64_t nul_end;   /* a NUL byte can only be before that offset */
	uint32_t number;    /* of the last line */
	char buf[BUFFER];
};

static ssize_t
read_at(int fd, char *buf, size_t len, uint64_t offset)
{
	ssize_t n;

	do
		n = pread(fd, buf, len, (off_t)offset);
	while (n < 0 && errno == EINTR);
	return n;
}

static bool
write_all(int fd, const char *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		buf += n;
		len -= (size_t)n;
	}
	return true;
}

/* Copies all that can be read from one file to the other. */
static bool
copy(int from, int to, char *buf, size_t size)
{
	uint64_t total = 0;

	for (;;) {
		ssize_t n = read(from, buf, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		total += (uint64_t)n;
		if (total > SPOOL_MAX) {
			errno = EFBIG;
			return false;
		}
		if (!write_all(to, buf, (size_t)n))
			return false;
	}
}

/* Puts a copy that can be read twice in the place of in->fd. */
static bool
spool(struct input *in)
{
	int memory = memfd_create("onionmap", MFD_CLOEXEC), from = in->fd;

	if (memory < 0)
		return false;
	in->fd = memory;
	if (!copy(from, memory, in->buf, sizeof(in->buf))) {
		int error = errno;

		close(from);
		errno = error;
		return false;
	}
	close(from);
	return fstat(memory, &in->opened) == 0;
}

static bool
open_file(struct input *in, const char *path)
{
	bool standard = strcmp(path, "-") == 0;

	in->fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
			  : open(path, O_RDONLY | O_CLOEXEC);
	if (in->fd < 0 || fstat(in->fd, &in->opened) < 0)
		return false;
	/* Standard input may be a file of which a part has been read already. */
	if (standard || !S_ISREG(in->opened.st_mode))
		return spool(in);
	return true;
}

struct input *
input_open(const char *path)
{
	struct input *in = malloc(sizeof(*in));
	int error;

	if (in == NULL)
		return NULL;
	if (open_file(in, path)) {
		input_rewind(in);
		return in;
	}
	error = errno;
	input_close(in);
	errno = error;
	return NULL;
}

void
input_close(struct input *in)
{
	if (in == NULL)
		return;
	if (in->fd >= 0)
		close(in->fd);
	free(in);
}

void
input_rewind(struct input *in)
{
	static const char mark[] = "\xef\xbb\xbf";
	char first[3];

	in->offset = 0;
	if (read_at(in->fd, first, 3, 0) == 3 && memcmp(first, mark, 3) == 0)
		in->offset = 3;
	in->start = in->have = 0;
	in->end = false;
	in->nul_end = 0;
	in->number = 0;
}

/* Reads on; there is room for it as long as have <= INPUT_LINE_MAX. */
static bool
fill(struct input *in)
{
	char *new = in->buf + in->have;
	ssize_t n;

	memmove(in->buf, in->buf + in->start, in->have);
	in->start = 0;
	n = read_at(in->fd, new, BUFFER - in->have, in->offset + in->have);
	if (n < 0)
		return false;
	in->have += (size_t)n;
	if (memchr(new, '\0', (size_t)n) != NULL)
		in->nul_end = in->offset + in->have;
	in->end = n == 0;
	return true;
}

static void
consume(struct input *in, size_t n)
{
	in->start += n;
	in->have -= n;
	in->offset += n;
}

/* Finds the end of the line: *len bytes on, with a newline there or at the end of
 * the file. A line of more than INPUT_LINE_MAX bytes may be found to end sooner. */
static bool
find_end(struct input *in, size_t *len, bool *newline)
{
	size_t scanned = 0;

	for (;;) {
		const char *p = in->buf + in->start;
		const char *found = memchr(p + scanned, '\n', in->have - scanned);

		*newline = found != NULL;
		*len = found != NULL ? (size_t)(found - p) : in->have;
		if (found != NULL || in->end || in->have > INPUT_LINE_MAX)
			return true;
		scanned = in->have;
		if (!fill(in))
			return false;
	}
}

static bool
skip_line(struct input *in)
{
	bool newline;
	size_t len;

	do {
		if (!find_end(in, &len, &newline))
			return false;
		consume(in, len + newline);
	} while (!newline && !in->end);
	return true;
}

enum input_status
input_next(struct input *in, struct input_line *line)
{
	bool newline;

	if (!find_end(in, &line->len, &newline))
		return INPUT_FAILED;
	if (in->have == 0)
		return INPUT_END;
	if (in->number == UINT32_MAX) {
		errno = EFBIG;
		return INPUT_FAILED;
	}
	line->number = ++in->number;
	line->offset = in->offset;
	line->text = in->buf + in->start;
	line->too_long = line->len > INPUT_LINE_MAX;
	if (line->too_long)
		return skip_line(in) ? INPUT_LINE : INPUT_FAILED;
	line->nul =
		line->offset < in->nul_end ? memchr(line->text, '\0', line->len) : NULL;
	consume(in, line->len + newline);
	return INPUT_LINE;
}

uint64_t
input_position(const struct input *in)
{
	return in->offset;
}

uint64_t
input_size(const struct input *in)
{
	return (uint64_t)in->opened.st_size;
}

enum input_status
input_reread(
	const struct input *in, uint64_t offset, char buf[INPUT_LINE_MAX], size_t *len)
{
	ssize_t n = read_at(in->fd, buf, INPUT_LINE_MAX, offset);
	const char *newline;

	if (n <= 0)
		return n < 0 ? INPUT_FAILED : INPUT_END;
	newline = memchr(buf, '\n', (size_t)n);
	*len = newline != NULL ? (size_t)(newline - buf) : (size_t)n;
	return INPUT_LINE;
}

bool
input_changed(const struct input *in)
{
	const struct stat *then = &in->opened;
	struct stat now;

	return fstat(in->fd, &now) < 0 || now.st_size != then->st_size ||
	       now.st_mtim.tv_sec != then->st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != then->st_mtim.tv_nsec;
}

bool
input_is(const struct input *in, const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == in->opened.st_dev &&
	       st.st_ino == in->opened.st_ino;
}
