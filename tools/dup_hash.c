#include "dup_hash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/siphash.h"

/* Fewer bits make more suspects: for the tests. */
#ifndef DUP_HASH_BITS
#define DUP_HASH_BITS 64
#endif

#define FIRST_CAPACITY 4096
#define SMALL 32 /* from here on, insertion is the faster way to sort */

struct dup_hash {
	struct siphash_key key;
	uint64_t *word; /* by line: its hash, 0 if it has no key */
	size_t n, capacity;
};

struct dup_hash *
dup_hash_new(void)
{
	struct dup_hash *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	if (getrandom(&s->key, sizeof(s->key), 0) == (ssize_t)sizeof(s->key))
		return s;
	free(s);
	return NULL;
}

void
dup_hash_free(struct dup_hash *s)
{
	if (s == NULL)
		return;
	free(s->word);
	free(s);
}

static bool
grow(struct dup_hash *s, size_t least)
{
	size_t capacity = s->capacity == 0 ? FIRST_CAPACITY : s->capacity;
	uint64_t *word;

	while (capacity < least)
		capacity *= 2;
	if (capacity == s->capacity)
		return true;
	if ((word = reallocarray(s->word, capacity, sizeof(*word))) == NULL)
		return false;
	s->word = word;
	s->capacity = capacity;
	return true;
}

bool
dup_hash_add(struct dup_hash *s, uint32_t line, const char *key, size_t keylen)
{
	uint64_t hash = siphash13(&s->key, key, keylen) >>
			(64 - DUP_HASH_BITS) << (64 - DUP_HASH_BITS);

	if (!grow(s, line))
		return false;
	while (s->n + 1 < line)
		s->word[s->n++] = 0;
	s->word[s->n++] = hash | 1;
	return true;
}

/* Sorting: American flag sort, which needs no memory. The words are hashes, so they
 * fill its buckets evenly. */

static void
insertion_sort(uint64_t *w, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		uint64_t v = w[i];
		size_t j;

		for (j = i; j > 0 && w[j - 1] > v; j--)
			w[j] = w[j - 1];
		w[j] = v;
	}
}

/* Where the buckets of the byte at shift begin. */
static void
bucket_starts(const uint64_t *w, size_t n, unsigned shift, size_t start[257])
{
	memset(start, 0, 257 * sizeof(start[0]));
	for (size_t i = 0; i < n; i++)
		start[(w[i] >> shift & 0xff) + 1]++;
	for (size_t b = 1; b <= 256; b++)
		start[b] += start[b - 1];
}

static void
radix_sort(uint64_t *w, size_t n, unsigned shift)
{
	size_t start[257], next[256];

	if (n <= SMALL) {
		insertion_sort(w, n);
		return;
	}
	bucket_starts(w, n, shift, start);
	memcpy(next, start, sizeof(next));
	for (size_t b = 0; b < 256; b++) {
		while (next[b] < start[b + 1]) {
			uint64_t v = w[next[b]], other;
			size_t home;

			while ((home = v >> shift & 0xff) != b) {
				other = w[next[home]];
				w[next[home]++] = v;
				v = other;
			}
			w[next[b]++] = v;
		}
	}
	if (shift == 0)
		return;
	for (size_t b = 0; b < 256; b++)
		radix_sort(w + start[b], start[b + 1] - start[b], shift - 8);
}

/* Puts the line in place of the low bits of each hash; mask tells which these are.
 * Lines without a key are dropped. */
static void
pack(struct dup_hash *s, uint64_t *mask)
{
	size_t packed = 0;

	for (*mask = 1; *mask < s->n; *mask = *mask << 1 | 1)
		;
	for (size_t i = 0; i < s->n; i++)
		if (s->word[i] != 0)
			s->word[packed++] = (s->word[i] & ~*mask) | i;
	s->n = packed;
}

/* How many of the sorted words from i on have the same hash. */
static size_t
run_length(const struct dup_hash *s, size_t i, uint64_t mask)
{
	size_t n = 1;

	while (i + n < s->n && (s->word[i + n] & ~mask) == (s->word[i] & ~mask))
		n++;
	return n;
}

/* Fills in the suspects, unless out is NULL; returns how many there are. */
static size_t
collect(const struct dup_hash *s, uint64_t mask, struct suspect *out)
{
	size_t n = 0, run;

	for (size_t i = 0; i < s->n; i += run) {
		run = run_length(s, i, mask);
		if (run == 1)
			continue;
		for (size_t j = 0; j < run; j++, n++) {
			if (out == NULL)
				continue;
			out[n].line = (uint32_t)(s->word[i + j] & mask) + 1;
			out[n].first = (uint32_t)(s->word[i] & mask) + 1;
		}
	}
	return n;
}

static int
by_line(const void *va, const void *vb)
{
	const struct suspect *a = va, *b = vb;

	return (a->line > b->line) - (a->line < b->line);
}

bool
dup_hash_suspects(struct dup_hash *s, struct suspect **suspects, size_t *n)
{
	bool enough = true;
	uint64_t mask;

	*suspects = NULL;
	pack(s, &mask);
	radix_sort(s->word, s->n, 56);
	*n = collect(s, mask, NULL);
	if (*n > 0) {
		*suspects = reallocarray(NULL, *n, sizeof(**suspects));
		enough = *suspects != NULL;
	}
	if (enough && *n > 0) {
		collect(s, mask, *suspects);
		qsort(*suspects, *n, sizeof(**suspects), by_line);
	}
	free(s->word);
	s->word = NULL;
	s->n = s->capacity = 0;
	return enough;
}
