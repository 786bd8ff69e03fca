#include <string.h>

#include "core/domain.h"
#include "core/maprec.h"
#include "core/onion.h"
#include "engine.h"

static bool
answer_onion(const struct domain *d, struct answer *a)
{
	if (onion_check(d->text, d->len) != ONION_OK) {
		answer_set(a, OUTCOME_FAIL, REASON_ONION_INVALID);
		return true;
	}
	answer_set(a, OUTCOME_ROUTE, REASON_NONE);
	a->route.n = 1;
	a->route.target[0] =
		(struct target){.host = d->text, .hostlen = d->len, .port = SMTP_PORT};
	return true;
}

/* The exact name, then its parents with their dot, the longest first. */
static enum map_result
map_find(struct engine *e, const struct domain *d)
{
	struct map_source *map = e->ports.map;
	const char *key = d->text, *end = d->text + d->len;

	while (key != NULL) {
		enum map_result r = map->get(map, key, (size_t)(end - key), &e->value);

		if (r != MAP_MISS)
			return r;
		key = memchr(key + 1, '.', (size_t)(end - key - 1));
	}
	return MAP_MISS;
}

static bool
answer_map(struct engine *e, const struct domain *d, struct answer *a)
{
	enum map_result found = e->ports.map == NULL ? MAP_MISS : map_find(e, d);

	if (found == MAP_MISS)
		return false;
	answer_set(a, OUTCOME_TEMP, REASON_MAP);
	if (found == MAP_HIT) {
		switch (maprec_parse(e->value.text, e->value.len, &a->route)) {
		case MAPREC_ROUTE:
			a->outcome = OUTCOME_ROUTE;
			break;
		case MAPREC_NONE:
			a->outcome = OUTCOME_NONE;
			break;
		case MAPREC_BAD:
			a->route.n = 0;
			break;
		}
	}
	if (a->outcome == OUTCOME_TEMP) {
		counters(e)->map_broken++;
		return true;
	}
	a->reason = REASON_NONE;
	counters(e)->map_hits++;
	return true;
}

static bool
answer_cache(
	struct engine *e, const struct domain *d, struct monotime now, struct answer *a)
{
	struct srv_set set;

	if (cache_get(e->cache, d, now, &set) == CACHE_MISS) {
		counters(e)->cache_misses++;
		return false;
	}
	counters(e)->cache_hits++;
	answer_set(a, OUTCOME_NONE, REASON_NONE);
	if (set.n > 0) {
		a->outcome = OUTCOME_ROUTE;
		srv_order(&set, e->ports.random(), &a->route);
	}
	return true;
}

/* Can it have a record? A name that gets too long with the prefix can't. One without a
 * dot is a host of the site, or a local part that stands alone and is nobody's business;
 * no mail on the Internet goes there (RFC 7085). Neither are those that RFC 6761 keeps
 * for the host itself. */
static bool
in_dns(const struct engine *e, const struct domain *d)
{
	static const char localhost[] = ".localhost";
	const size_t n = sizeof(localhost) - 1;

	if (strlen(e->config.srv_prefix) + d->len > DOMAIN_MAX)
		return false;
	if (memchr(d->text, '.', d->len) == NULL)
		return false;
	return d->len < n || memcmp(d->text + d->len - n, localhost, n) != 0;
}

bool
local_answer(struct engine *e, const struct lookup_request *req, struct monotime now,
	struct answer *a)
{
	struct domain *d = &e->domain;

	switch (domain_from_key(d, req->key, req->keylen)) {
	case DOMAIN_OK:
		break;
	case DOMAIN_UNUSABLE:
		d->len = 0;
		answer_set(a, OUTCOME_NONE, REASON_NONE);
		return true;
	case DOMAIN_NOMEM:
		d->len = 0;
		answer_set(a, OUTCOME_TEMP, REASON_NOMEM);
		return true;
	}
	if (domain_is_onion(d))
		return answer_onion(d, a);
	if (answer_map(e, d, a) || answer_cache(e, d, now, a))
		return true;
	if (in_dns(e, d))
		return false;
	answer_set(a, OUTCOME_NONE, REASON_NONE);
	return true;
}
