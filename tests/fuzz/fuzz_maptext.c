#include "fuzz.h"

#include "core/maprec.h"
#include "core/maptext.h"
#include "core/onion.h"

/* An entry as it goes into the cdb, and as a line again. */
struct written {
	size_t keylen, valuelen;
	char line[MAP_KEY_MAX + 1 + MAP_VALUE_MAX];
};

static void
write_entry(const struct map_entry *e, struct written *w)
{
	char *key = fuzz_alloc(MAP_KEY_MAX), *value = fuzz_alloc(MAP_VALUE_MAX);

	w->keylen = maptext_key(e, key);
	w->valuelen = maptext_value(e, value);
	require(w->keylen <= MAP_KEY_MAX && w->valuelen <= MAP_VALUE_MAX);
	memcpy(w->line, key, w->keylen);
	w->line[w->keylen] = ' ';
	memcpy(w->line + w->keylen + 1, value, w->valuelen);
	require(fuzz_printable(w->line, w->keylen + 1 + w->valuelen));
	free(key);
	free(value);
}

static void
check_entry(const struct map_entry *e)
{
	require(domain_is_canonical(e->domain.text, e->domain.len));
	require(!domain_is_onion(&e->domain));
	require(!(e->mx && e->kind == MAP_SRV));
	require(e->targets.n <= TARGETS_MAX);
	for (uint8_t i = 0; i < e->targets.n; i++) {
		const struct target *t = &e->targets.target[i];

		require(onion_check(t->host, t->hostlen, NULL) == ONION_OK);
		require(fuzz_host(t->host, t->hostlen));
		require(t->port != 0);
		for (uint8_t k = 0; k < i; k++)
			require(!target_is(t, &e->targets.target[k]));
	}
}

/* The daemon reads from the value what the line said. */
static void
check_value(const struct map_entry *e, const char *value, size_t len)
{
	static const enum maprec_status as[] = {[MAP_TARGETS] = MAPREC_ROUTE,
		[MAP_NEVER] = MAPREC_NONE,
		[MAP_SRV] = MAPREC_SRV};
	struct map_options options;
	struct target_set r;

	require(maprec_parse(value, len, &r, &options, NULL) == as[e->kind]);
	require(options.on_failure == e->options.on_failure);
	require(options.dnssec_require == e->options.dnssec_require);
	require(options.tls.level == e->options.tls.level);
	require(strcmp(options.tls.name.text, e->options.tls.name.text) == 0);
	require(r.n == e->targets.n && (e->kind == MAP_TARGETS) == (e->targets.n > 0));
	for (uint8_t i = 0; i < r.n; i++)
		require(target_is(&r.target[i], &e->targets.target[i]));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct map_entry e, again;
	static struct written first, second;
	struct map_error err = {0, NULL};
	char *copy = fuzz_alloc(size);
	enum maptext_status st;
	size_t len;

	memcpy(copy, data, size);
	st = maptext_parse(copy, size, &e, &err, NULL);
	free(copy);
	require(st == MAPTEXT_EMPTY || st == MAPTEXT_ENTRY || st == MAPTEXT_ERROR);
	if (st == MAPTEXT_ERROR) {
		require(err.message != NULL && err.message[0] != '\0');
		require(err.column >= 1 && err.column <= size + 1);
	}
	if (st != MAPTEXT_ENTRY)
		return 0;
	check_entry(&e);
	write_entry(&e, &first);
	require(first.keylen == e.domain.len + (size_t)e.below + (e.mx ? 3 : 0));
	require(map_key_valid(first.line, first.keylen));
	check_value(&e, first.line + first.keylen + 1, first.valuelen);
	len = first.keylen + 1 + first.valuelen;
	require(maptext_parse(first.line, len, &again, &err, NULL) == MAPTEXT_ENTRY);
	write_entry(&again, &second);
	require(second.keylen == first.keylen && second.valuelen == first.valuelen);
	require(memcmp(second.line, first.line, len) == 0);
	return 0;
}
