#include "dup_report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cursor.h"
#include "core/maptext.h"

/* The suspects that share a hash form a chain of those whose keys differ: nearly
 * always one. */
struct place {
	uint64_t offset;
	size_t next; /* in the chain; 0 ends it */
};

struct dup_report {
	struct input *in;
	struct report *report;
	struct suspect *suspect;
	struct place *place; /* of each suspect */
	size_t n;
	struct map_entry now, earlier;
	char text[INPUT_LINE_MAX]; /* of the earlier */
};

static bool
parse(const char *text, size_t len, struct map_entry *e)
{
	struct map_error ignored;

	switch (maptext_parse(text, len, e, &ignored, NULL)) {
	case MAPTEXT_ENTRY:
		return true;
	case MAPTEXT_NOMEM:
		errno = ENOMEM;
		return false;
	default:
		/* It was a good line a moment ago. */
		errno = ESTALE;
		return false;
	}
}

static bool
same_key(const struct map_entry *a, const struct map_entry *b)
{
	return a->mx == b->mx && a->below == b->below &&
	       strcmp(a->domain.text, b->domain.text) == 0;
}

static bool
same_route(const struct map_entry *a, const struct map_entry *b)
{
	char va[MAP_VALUE_MAX], vb[MAP_VALUE_MAX];
	size_t len = maptext_value(a, va);

	return len == maptext_value(b, vb) && memcmp(va, vb, len) == 0;
}

static void
report(struct dup_report *r, const struct input_line *line, uint32_t earlier)
{
	struct cursor c = {line->text, line->text + line->len};
	char key[MAP_KEY_MAX];
	int keylen = (int)maptext_key(&r->now, key);

	cursor_skip_blanks(&c);
	report_error(r->report, line->number, (size_t)(c.p - line->text) + 1,
		same_route(&r->now, &r->earlier) ? "%.*s is already on line %u"
						 : "%.*s has another route on line %u",
		keylen, key, (unsigned)earlier);
}

static size_t
index_of(const struct dup_report *r, uint32_t line)
{
	size_t low = 0, high = r->n;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (r->suspect[middle].line <= line)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static bool
reread(struct dup_report *r, size_t i)
{
	size_t len;

	switch (input_reread(r->in, r->place[i].offset, r->text, &len)) {
	case INPUT_LINE:
		return parse(r->text, len, &r->earlier);
	case INPUT_END:
		errno = ESTALE;
		return false;
	default:
		return false;
	}
}

/* Compares suspect i, which stands on this line, with those before it. */
static bool
examine(struct dup_report *r, size_t i, const struct input_line *line)
{
	size_t other = index_of(r, r->suspect[i].first);

	r->place[i] = (struct place){.offset = line->offset};
	if (other == i)
		return true;
	if (!parse(line->text, line->len, &r->now))
		return false;
	for (;;) {
		if (!reread(r, other))
			return false;
		if (same_key(&r->now, &r->earlier)) {
			report(r, line, r->suspect[other].line);
			return true;
		}
		if (r->place[other].next == 0)
			break;
		other = r->place[other].next;
	}
	r->place[other].next = i;
	return true;
}

static bool
examine_all(struct dup_report *r)
{
	struct input_line line;
	size_t i = 0;

	input_rewind(r->in);
	while (i < r->n) {
		switch (input_next(r->in, &line)) {
		case INPUT_LINE:
			break;
		case INPUT_END:
			errno = ESTALE;
			return false;
		case INPUT_FAILED:
			return false;
		}
		if (line.number != r->suspect[i].line)
			continue;
		if (!examine(r, i, &line))
			return false;
		i++;
	}
	return true;
}

bool
dup_report_all(struct dup_hash *seen, struct input *in, struct report *rep)
{
	struct dup_report *r = calloc(1, sizeof(*r));
	bool done = false;

	if (r == NULL)
		return false;
	r->in = in;
	r->report = rep;
	if (dup_hash_suspects(seen, &r->suspect, &r->n)) {
		r->place = reallocarray(NULL, r->n, sizeof(*r->place));
		done = r->n == 0 || (r->place != NULL && examine_all(r));
	}
	free(r->place);
	free(r->suspect);
	free(r);
	return done;
}
