#include "fuzz.h"

#include "core/maprec.h"
#include "core/maptext.h"
#include "core/onion.h"

/* The route as onionmap would write it. */
static size_t
write_value(const struct target_set *r, const struct map_options *options, bool srv,
	char out[MAP_VALUE_MAX])
{
	static struct map_entry e;

	e.kind = srv ? MAP_SRV : MAP_TARGETS;
	e.options = *options;
	target_set_copy(&e.targets, r);
	return maptext_value(&e, out);
}

static void
check_route(const struct target_set *r, const char *value, size_t len)
{
	require(r->n >= 1 && r->n <= TARGETS_MAX);
	for (uint8_t i = 0; i < r->n; i++) {
		const struct target *t = &r->target[i];

		require(t->host >= value && t->host + t->hostlen <= value + len);
		require(onion_check(t->host, t->hostlen, NULL) == ONION_OK);
		require(fuzz_host(t->host, t->hostlen));
		require(t->port != 0 && t->ipv4 == 0);
	}
}

/* Two routes with the same targets. */
static bool
same(const struct target_set *a, const struct target_set *b)
{
	if (a->n != b->n)
		return false;
	for (uint8_t i = 0; i < a->n; i++)
		if (a->target[i].port != b->target[i].port ||
			a->target[i].hostlen != b->target[i].hostlen ||
			memcmp(a->target[i].host, b->target[i].host,
				a->target[i].hostlen) != 0)
			return false;
	return true;
}

static bool
same_options(const struct map_options *a, const struct map_options *b)
{
	return a->on_failure == b->on_failure && a->dnssec_require == b->dnssec_require &&
	       a->tls.level == b->tls.level &&
	       strcmp(a->tls.name.text, b->tls.name.text) == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_alloc(size), *value = fuzz_alloc(MAP_VALUE_MAX);
	enum maprec_status st, again_st;
	struct map_options options, again_options;
	struct target_set r, again;

	memcpy(copy, data, size);
	st = maprec_parse(copy, size, &r, &options, NULL);
	require(st <= MAPREC_BAD);
	again_st = maprec_parse_checked(copy, size, &again, &again_options);
	require(st == MAPREC_BAD || again_st == st);
	require(st == MAPREC_BAD ||
		(same(&r, &again) && same_options(&options, &again_options)));
	require((st == MAPREC_NONE) == (size == 1 && copy[0] == '-'));
	require(st == MAPREC_ROUTE || st == MAPREC_BAD || r.n == 0);
	if (st == MAPREC_ROUTE || st == MAPREC_SRV) {
		size_t n = write_value(&r, &options, st == MAPREC_SRV, value);

		if (st == MAPREC_ROUTE)
			check_route(&r, copy, size);
		require(maprec_parse(value, n, &again, &again_options, NULL) == st);
		require(same(&r, &again));
		require(same_options(&options, &again_options));
	}
	free(value);
	free(copy);
	return 0;
}
