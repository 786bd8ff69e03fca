#include "core/target.h"

#include <string.h>

bool
target_is(const struct target *a, const struct target *b)
{
	return a->port == b->port && a->hostlen == b->hostlen &&
	       memcmp(a->host, b->host, a->hostlen) == 0;
}

const struct target *
target_set_find(const struct target_set *set, const struct target *t)
{
	for (uint8_t i = 0; i < set->n; i++)
		if (target_is(&set->target[i], t))
			return &set->target[i];
	return NULL;
}

bool
target_set_same(const struct target_set *a, const struct target_set *b)
{
	if (a->n != b->n)
		return false;
	for (uint8_t i = 0; i < a->n; i++)
		if (target_set_find(b, &a->target[i]) == NULL)
			return false;
	return true;
}

void
target_set_copy(struct target_set *to, const struct target_set *from)
{
	to->n = from->n;
	memcpy(to->target, from->target, from->n * sizeof(from->target[0]));
}

/* The number of targets, this for each of them, and then their names. */
struct packed {
	uint16_t priority, weight, port;
	uint8_t hostlen;
};

size_t
target_set_packed_size(const struct target_set *set)
{
	size_t size = 1 + set->n * sizeof(struct packed);

	for (uint8_t i = 0; i < set->n; i++)
		size += set->target[i].hostlen;
	return size;
}

void
target_set_pack(char *packed, const struct target_set *set)
{
	char *name = packed + 1 + set->n * sizeof(struct packed);

	*packed++ = (char)set->n;
	for (uint8_t i = 0; i < set->n; i++) {
		const struct target *t = &set->target[i];
		struct packed p = {t->priority, t->weight, t->port, t->hostlen};

		memcpy(packed, &p, sizeof(p));
		memcpy(name, t->host, t->hostlen);
		packed += sizeof(p);
		name += t->hostlen;
	}
}

const char *
target_set_unpack(const char *packed, struct target_set *set)
{
	const char *name;

	set->n = (uint8_t)*packed++;
	name = packed + set->n * sizeof(struct packed);
	for (uint8_t i = 0; i < set->n; i++) {
		struct packed p;

		memcpy(&p, packed, sizeof(p));
		set->target[i] = (struct target){.host = name,
			.priority = p.priority,
			.weight = p.weight,
			.port = p.port,
			.hostlen = p.hostlen};
		packed += sizeof(p);
		name += p.hostlen;
	}
	return name;
}
