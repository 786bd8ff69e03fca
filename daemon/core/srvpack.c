#include "core/srvpack.h"

#include <string.h>

/* A record is this, and all names follow the last record. */
struct packed {
	uint16_t priority, weight, port;
	uint8_t hostlen;
};

size_t
srvpack_size(const struct srv_set *set)
{
	size_t size = 1 + set->n * sizeof(struct packed);

	for (uint8_t i = 0; i < set->n; i++)
		size += set->rr[i].hostlen;
	return size;
}

void
srvpack_put(char *to, const struct srv_set *set)
{
	char *name = to + 1 + set->n * sizeof(struct packed);

	*to++ = (char)set->n;
	for (uint8_t i = 0; i < set->n; i++) {
		const struct srv_record *rr = &set->rr[i];
		struct packed p = {rr->priority, rr->weight, rr->port, rr->hostlen};

		memcpy(to, &p, sizeof(p));
		memcpy(name, rr->host, rr->hostlen);
		to += sizeof(p);
		name += rr->hostlen;
	}
}

const char *
srvpack_get(const char *from, struct srv_set *set)
{
	const char *name;

	set->n = (uint8_t)*from++;
	name = from + set->n * sizeof(struct packed);
	for (uint8_t i = 0; i < set->n; i++) {
		struct packed p;

		memcpy(&p, from, sizeof(p));
		set->rr[i] = (struct srv_record){.priority = p.priority,
			.weight = p.weight,
			.port = p.port,
			.hostlen = p.hostlen,
			.host = name};
		from += sizeof(p);
		name += p.hostlen;
	}
	return name;
}
