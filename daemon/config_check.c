#include "config_check.h"

#include <string.h>

/* Keys outside of sections */

static bool
are_ttls_crossed(const struct config *c)
{
	return c->min_ttl > c->max_ttl;
}

static bool
have_pins_no_state(const struct config *c)
{
	return c->pin_srv && c->state_dir == NULL;
}

static bool
has_bridge_no_state(const struct config *c)
{
	return config_has_bridge(c) && c->state_dir == NULL;
}

static bool
has_bridge_no_tor(const struct config *c)
{
	return config_has_bridge(c) && c->nsocks == 0;
}

/* What a resolver elsewhere says of its validation anybody on the way can have said. */
static bool
is_validation_remote(const struct config *c)
{
	for (size_t i = 0; i < c->nresolvers; i++)
		if (c->dnssec == DNSSEC_REQUIRE && !net_addr_is_local(&c->resolvers[i]))
			return true;
	return false;
}

/* The place is that of the first of the keys that the file has. */
static const struct {
	bool (*is_wrong)(const struct config *);
	const char *key, *other;
	const char *message;
} contradictions[] = {
	{are_ttls_crossed, "max_ttl", "min_ttl", "min_ttl is greater than max_ttl"},
	{have_pins_no_state, "state_dir", "pin_srv", "pin_srv needs a state_dir"},
	{has_bridge_no_state, "state_dir", "state_dir",
		"answer = bridge needs a state_dir"},
	{has_bridge_no_tor, "socks", "socks", "answer = bridge needs a tor in socks"},
	{is_validation_remote, "resolvers", "dnssec",
		"dnssec = require needs resolvers on this machine"},
};

static void
check_contradictions(struct config_file *f)
{
	for (size_t i = 0; i < sizeof(contradictions) / sizeof(contradictions[0]); i++) {
		const struct config_mark *key =
			config_file_mark(&f->block[0], contradictions[i].key);
		const struct config_mark *other =
			config_file_mark(&f->block[0], contradictions[i].other);

		if (key->is_bad || other->is_bad ||
			!contradictions[i].is_wrong(f->config))
			continue;
		config_file_fault(f, key->is_set ? key->name : other->name, "%s",
			contradictions[i].message);
	}
}

/* Listeners */

static bool
is_listener(const struct config_block *b)
{
	return b->section->name != NULL && strcmp(b->section->name, "listener") == 0;
}

/* Who of those before has this address, or NULL. An address that is bad is none. */
static const char *
holder(const struct config *c, size_t n, const struct net_addr *addr)
{
	if (addr->len == 0)
		return NULL;
	if (net_addr_equal(&c->control, addr))
		return "control";
	for (size_t i = 0; i < n; i++)
		if (net_addr_equal(&c->listener[i].address, addr))
			return c->listener[i].net.name;
	return NULL;
}

static void
check_listener(struct config_file *f, const struct config_block *b)
{
	const struct listener_options *l = config_file_struct(f, b);
	const struct config_mark *answer = config_file_mark(b, "answer");
	const struct config_mark *transport = config_file_mark(b, "transport");
	const char *other = holder(f->config, b->index, &l->address);

	if (l->protocol != NULL && l->protocol->cache_only &&
		(answer->is_set || transport->is_set))
		config_file_fault(f, answer->is_set ? answer->name : transport->name,
			"listener \"%s\": policy takes neither answer nor transport",
			l->net.name);
	if (l->answer == STYLE_ONION && l->protocol != NULL && l->protocol->needs_address)
		config_file_fault(f, answer->value,
			"listener \"%s\": Exim would look onion names up in DNS; "
			"use answer = address or bridge",
			l->net.name);
	if (other != NULL)
		config_file_fault(f, config_file_mark(b, "address")->value,
			"listener \"%s\" has the address of \"%s\"", l->net.name, other);
}

/* Effects */

static void
check_effects(const struct config_file *f, const struct config_block *b)
{
	for (size_t i = 0; i < b->section->n; i++) {
		const struct config_key *key = &b->section->key[i];

		if (b->mark[i].is_set && key->need->is_met != NULL &&
			!key->need->is_met(f->config, config_file_struct(f, b)))
			config_file_warn(f, b->mark[i].name, "%s has no effect: %s",
				key->name, key->need->otherwise);
	}
}

void
config_check(struct config_file *f)
{
	check_contradictions(f);
	for (size_t i = 0; i < f->nblocks; i++)
		if (is_listener(&f->block[i]))
			check_listener(f, &f->block[i]);
	for (size_t i = 0; f->is_good && i < f->nblocks; i++)
		check_effects(f, &f->block[i]);
}
