/* A file of lines to which a thread of its own adds, so that the loop never waits for the
 * disk. What has come while it wrote goes to the disk together. Without room there, or
 * while the directory is missing, lines are kept and tried again each second, in their
 * order. A file that has grown to more than twice of what counts is written anew. */
#ifndef NET_STATELOG_H
#define NET_STATELOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "net/loop.h"

struct statelog;

/* Lines that may wait for the disk, in bytes. */
#define STATELOG_WAITING_MAX (4 * 1024 * 1024)

struct statelog_config {
	struct loop *loop;
	const char *path; /* kept by the caller */
	size_t size;      /* of the file when it was read, in bytes; 0: it wasn't there */
	size_t lines;     /* in it */
	size_t needed;    /* of these, those that still count */
	bool never_tidy;  /* the file holds what must not be lost */

	/* Copies those lines that still count, and returns their number; SIZE_MAX on
	 * failure. Called in the thread: it may use nothing of the loop's. */
	size_t (*tidy)(void *arg, FILE *from, FILE *to);
	void *tidy_arg;

	/* All lines up to this number are on the disk. Called from the loop. */
	void (*kept)(void *arg, uint64_t upto);

	/* They can't be written now, for this errno. Called from the loop at each try. */
	void (*failed)(void *arg, int error);
	void *arg;
};

/* NULL on failure, errno is set. A file that can't be written now is none, if its name is
 * a sensible one: failed is called. */
struct statelog *statelog_open(const struct statelog_config *config);

/* Tries once more to write what waits. False: something isn't on the disk. */
bool statelog_close(struct statelog *log);

/* Adds whole lines, copied. Returns their number, one more each time; 0: too many wait,
 * or there is no memory. */
uint64_t statelog_append(struct statelog *log, const char *lines, size_t len);

/* The number of the latest lines. */
uint64_t statelog_latest(const struct statelog *log);

/* Would statelog_append() take another line? */
bool statelog_has_room(struct statelog *log);

#endif
