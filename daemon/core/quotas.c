#include "core/quotas.h"

/* A tiny table has at least one place for each. */
static size_t
part(size_t max, size_t parts)
{
	return max / parts > 0 ? max / parts : 1;
}

size_t
quotas_limit(const struct quotas *s, enum quota quota)
{
	switch (quota) {
	case QUOTA_DNS:
		return part(s->max, 2);
	case QUOTA_ONION:
		return part(s->max, 4);
	default:
		return part(s->max, 1);
	}
}

static size_t
total(const size_t of[QUOTAS])
{
	size_t sum = 0;

	for (enum quota quota = 0; quota < QUOTAS; quota++)
		sum += of[quota];
	return sum;
}

bool
quotas_have_room(const struct quotas *s, enum quota quota, size_t size)
{
	const size_t limit = quotas_limit(s, quota);

	return s->count[quota] < limit && total(s->count) < s->max &&
	       s->bytes[quota] + size <= limit * s->place_max &&
	       total(s->bytes) + size <= s->max * s->place_max;
}

void
quotas_add(struct quotas *s, enum quota quota, size_t size)
{
	s->count[quota]++;
	s->bytes[quota] += size;
}

void
quotas_remove(struct quotas *s, enum quota quota, size_t size)
{
	s->count[quota]--;
	s->bytes[quota] -= size;
}

unsigned
quotas_percent(const struct quotas *s, enum quota quota)
{
	const size_t limit = quotas_limit(s, quota);
	const size_t count = quota == QUOTA_MAP ? total(s->count) : s->count[quota];
	const size_t bytes = quota == QUOTA_MAP ? total(s->bytes) : s->bytes[quota];
	const size_t by_count = 100 * count / limit;
	const size_t by_bytes = 100 * bytes / (limit * s->place_max);

	return (unsigned)(by_count > by_bytes ? by_count : by_bytes);
}
