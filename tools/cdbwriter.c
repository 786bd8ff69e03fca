#include "cdbwriter.h"

#include <cdb.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mapsum.h"
#include "core/maptext.h"
#include "core/text.h"
#include "writeback.h"

/* Large enough that handing one over costs nothing beside filling it. */
#define BLOCKS 3
#define BLOCK (96 * 1024)

struct record {
	uint16_t keylen, len;
};

#define RECORD_MAX (sizeof(struct record) + MAP_KEY_MAX + MAP_VALUE_MAX)

/* Records one after the other: the struct, the key, the value. */
struct block {
	size_t len;
	char data[BLOCK];
};

_Static_assert(RECORD_MAX <= BLOCK, "a record fits into a block");

/* A ring of blocks: the caller fills one while the thread empties others. */
struct cdbwriter {
	struct cdb_make make; /* both the thread's, until it has ended */
	struct map_sum sum;
	struct writeback *writeback;
	pthread_t thread;
	pthread_mutex_t mutex; /* of all below, but not of what is in the blocks */
	pthread_cond_t changed;
	unsigned filled, emptied; /* blocks, ever */
	bool ended, abandoned;
	int error; /* an errno; 0: all is well */
	struct block block[BLOCKS];
};

/* The thread */

static bool
write_block(struct cdbwriter *w, const struct block *b)
{
	const char *p = b->data, *end = b->data + b->len;
	struct record r;

	while (p < end) {
		memcpy(&r, p, sizeof(r));
		p += sizeof(r);
		if (cdb_make_add(&w->make, p, r.keylen, p + r.keylen, r.len) < 0)
			return false;
		map_sum_add(&w->sum, p, r.keylen, r.len);
		p += r.keylen + r.len;
	}
	writeback_written(w->writeback, w->make.cdb_dpos);
	return true;
}

static bool
write_end(struct cdbwriter *w)
{
	char value[MAP_SUM_VALUE_MAX + 1];
	size_t len = map_sum_value(&w->sum, value);

	return cdb_make_add(&w->make, MAP_SUM_KEY, strlen(MAP_SUM_KEY), value,
		       (unsigned)len) == 0 &&
	       cdb_make_finish(&w->make) == 0;
}

/* Waits for the next full block. NULL: there won't be one. */
static struct block *
next_full(struct cdbwriter *w)
{
	while (w->filled == w->emptied && !w->ended && !w->abandoned)
		pthread_cond_wait(&w->changed, &w->mutex);
	if (w->abandoned || w->filled == w->emptied)
		return NULL;
	return &w->block[w->emptied % BLOCKS];
}

/* Only finishing frees what tinycdb has allocated. Without a file, it does that at its
 * first write. */
static void
write_no_more(struct cdbwriter *w)
{
	w->make.cdb_fd = -1;
	cdb_make_finish(&w->make);
}

static void *
write_blocks(void *arg)
{
	struct cdbwriter *w = arg;
	struct block *b;
	bool wanted;

	pthread_mutex_lock(&w->mutex);
	while ((b = next_full(w)) != NULL) {
		int error = w->error;

		pthread_mutex_unlock(&w->mutex);
		if (error == 0 && !write_block(w, b))
			error = errno;
		pthread_mutex_lock(&w->mutex);
		w->error = error;
		w->emptied++;
		pthread_cond_signal(&w->changed);
	}
	wanted = !w->abandoned && w->error == 0;
	pthread_mutex_unlock(&w->mutex);
	if (!wanted)
		write_no_more(w);
	else if (!write_end(w))
		w->error = errno; /* nobody looks at it before the thread has ended */
	return NULL;
}

/* The caller */

struct cdbwriter *
cdbwriter_new(int fd)
{
	struct cdbwriter *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	cdb_make_start(&w->make, fd);
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->changed, NULL);
	if ((w->writeback = writeback_new(fd)) != NULL &&
		(errno = pthread_create(&w->thread, NULL, write_blocks, w)) == 0)
		return w;
	writeback_free(w->writeback);
	free(w);
	return NULL;
}

static struct block *
being_filled(struct cdbwriter *w)
{
	return &w->block[w->filled % BLOCKS];
}

/* Hands the block over, and waits until another is empty. */
static bool
hand_over(struct cdbwriter *w)
{
	int error;

	pthread_mutex_lock(&w->mutex);
	w->filled++;
	pthread_cond_signal(&w->changed);
	while (w->filled - w->emptied == BLOCKS)
		pthread_cond_wait(&w->changed, &w->mutex);
	error = w->error;
	pthread_mutex_unlock(&w->mutex);
	being_filled(w)->len = 0;
	errno = error;
	return error == 0;
}

bool
cdbwriter_add(struct cdbwriter *w, const char *key, size_t keylen, const char *value,
	size_t len)
{
	const struct record r = {(uint16_t)keylen, (uint16_t)len};
	char *p;

	if (being_filled(w)->len > BLOCK - RECORD_MAX && !hand_over(w))
		return false;
	p = being_filled(w)->data + being_filled(w)->len;
	p = text_put(p, (const char *)&r, sizeof(r));
	p = text_put(p, key, keylen);
	p = text_put(p, value, len);
	being_filled(w)->len = (size_t)(p - being_filled(w)->data);
	return true;
}

static void
tell(struct cdbwriter *w, bool *what)
{
	pthread_mutex_lock(&w->mutex);
	*what = true;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->mutex);
}

void
cdbwriter_end(struct cdbwriter *w)
{
	hand_over(w);
	tell(w, &w->ended);
}

bool
cdbwriter_finish(struct cdbwriter *w)
{
	int error;

	pthread_join(w->thread, NULL);
	writeback_free(w->writeback);
	error = w->error;
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->mutex);
	free(w);
	errno = error;
	return error == 0;
}

void
cdbwriter_abandon(struct cdbwriter *w)
{
	if (w == NULL)
		return;
	tell(w, &w->abandoned);
	cdbwriter_finish(w);
}
