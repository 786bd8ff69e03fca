#include "failures.h"

static uint64_t
hash(const struct failures *f, const char *host, size_t len, uint16_t port)
{
	const uint64_t sum[2] = {siphash13(&f->key, host, len), port};

	return siphash13(&f->key, sum, sizeof(sum)) | 1;
}

static size_t
place(uint64_t target)
{
	return (size_t)(target >> 32) % FAILURES_MAX;
}

void
failures_note(struct failures *f, const char *host, size_t len, uint16_t port,
	const char *why, struct monotime now)
{
	const uint64_t target = hash(f, host, len, port);
	struct failure *entry = &f->entry[place(target)];

	if (why != NULL)
		*entry = (struct failure){target, now, why};
	else if (entry->target == target)
		*entry = (struct failure){0};
}

const struct failure *
failures_get(const struct failures *f, const char *host, size_t len, uint16_t port)
{
	const uint64_t target = hash(f, host, len, port);
	const struct failure *entry = &f->entry[place(target)];

	return entry->target == target ? entry : NULL;
}
