#include "core/pins.h"

#include <stdlib.h>
#include <string.h>

#include "core/srvpack.h"

struct pin {
	struct pin *next; /* in the bucket */
	int64_t since;
	int64_t held_since;
	char *set;  /* packed, never empty */
	char *held; /* packed, an empty set for no route; NULL: nothing is held back */
	uint8_t len;
	char domain[];
};

struct pins {
	struct pins_config config;
	size_t count;
	size_t mask;
	struct pin *bucket[];
};

struct pins *
pins_new(const struct pins_config *config)
{
	size_t buckets = 1;
	struct pins *p;

	while (buckets < config->max)
		buckets *= 2;
	if ((p = calloc(1, sizeof(*p) + buckets * sizeof(p->bucket[0]))) == NULL)
		return NULL;
	p->config = *config;
	p->mask = buckets - 1;
	return p;
}

size_t
pins_count(const struct pins *p)
{
	return p->count;
}

static size_t
bucket_of(const struct pins *p, const struct domain *d)
{
	return siphash13(&p->config.key, d->text, d->len) & p->mask;
}

static bool
is_of(const struct pin *pin, const struct domain *d)
{
	return pin->len == d->len && memcmp(pin->domain, d->text, d->len) == 0;
}

/* Where the pointer to the domain's pin is, or would be. */
static struct pin **
find(struct pins *p, const struct domain *d)
{
	struct pin **at = &p->bucket[bucket_of(p, d)];

	while (*at != NULL && !is_of(*at, d))
		at = &(*at)->next;
	return at;
}

/* NULL: the domain has none. */
static const struct pin *
pin_of(const struct pins *p, const struct domain *d)
{
	const struct pin *pin = p->bucket[bucket_of(p, d)];

	while (pin != NULL && !is_of(pin, d))
		pin = pin->next;
	return pin;
}

static void
drop(struct pins *p, struct pin **at)
{
	struct pin *pin = *at;

	*at = pin->next;
	p->count--;
	free(pin->set);
	free(pin->held);
	free(pin);
}

void
pins_free(struct pins *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i <= p->mask; i++)
		while (p->bucket[i] != NULL)
			drop(p, &p->bucket[i]);
	free(p);
}

static char *
pack(const struct srv_set *set)
{
	char *packed = malloc(srvpack_size(set));

	if (packed != NULL)
		srvpack_put(packed, set);
	return packed;
}

static bool
has_target(const struct srv_set *set, const struct srv_record *rr)
{
	for (uint8_t i = 0; i < set->n; i++)
		if (set->rr[i].port == rr->port && set->rr[i].hostlen == rr->hostlen &&
			memcmp(set->rr[i].host, rr->host, rr->hostlen) == 0)
			return true;
	return false;
}

/* No target is in a set twice. */
static bool
same_targets(const char *packed, const struct srv_set *b)
{
	struct srv_set a;

	srvpack_get(packed, &a);
	if (a.n != b->n)
		return false;
	for (uint8_t i = 0; i < a.n; i++)
		if (!has_target(b, &a.rr[i]))
			return false;
	return true;
}

/* Replaces a packed set. */
static bool
replace(char **packed, const struct srv_set *set)
{
	char *new = pack(set);

	if (new == NULL)
		return false;
	free(*packed);
	*packed = new;
	return true;
}

/* What DNS says is the pin from now on. False: no memory. */
static bool
renew(struct pins *p, struct pin **at, const struct srv_set *set, int64_t wall)
{
	struct pin *pin = *at;

	if (set->n == 0) {
		drop(p, at);
		return true;
	}
	if (!replace(&pin->set, set))
		return false;
	pin->since = wall;
	free(pin->held);
	pin->held = NULL;
	return true;
}

static enum pin_verdict
judge_change(
	const struct pins *p, const struct pin *pin, const struct fact *f, int64_t wall)
{
	if (f->ad || p->config.hold_s == 0)
		return PIN_RENEWED;
	if (pin->held == NULL || !same_targets(pin->held, &f->set))
		return PIN_CHANGED;
	return wall - pin->held_since < p->config.hold_s ? PIN_HELD : PIN_RENEWED;
}

enum pin_verdict
pins_judge(const struct pins *p, const struct domain *d, const struct fact *f,
	int64_t wall, struct srv_set *use)
{
	const struct pin *pin = pin_of(p, d);
	enum pin_verdict verdict;

	if (pin == NULL)
		return PIN_NONE;
	if (same_targets(pin->set, &f->set))
		return pin->held == NULL ? PIN_SAME : PIN_RETURNED;
	verdict = judge_change(p, pin, f, wall);
	if (verdict != PIN_RENEWED)
		srvpack_get(pin->set, use);
	return verdict;
}

bool
pins_note(struct pins *p, const struct domain *d, const struct fact *f,
	enum pin_verdict verdict, int64_t wall)
{
	struct pin **at = find(p, d), *pin = *at;

	if (pin == NULL)
		return false;
	switch (verdict) {
	case PIN_NONE:
	case PIN_SAME:
	case PIN_HELD:
		break;
	case PIN_RETURNED:
		free(pin->held);
		pin->held = NULL;
		return true;
	case PIN_RENEWED:
		return renew(p, at, &f->set, wall);
	case PIN_CHANGED:
		if (!replace(&pin->held, &f->set))
			break;
		pin->held_since = wall;
		return true;
	}
	return false;
}

bool
pins_add(struct pins *p, const struct domain *d, const struct fact *f, int64_t wall)
{
	struct pin **at = find(p, d), *pin;

	if (*at != NULL || p->count >= p->config.max)
		return false;
	if ((pin = calloc(1, sizeof(*pin) + d->len)) == NULL)
		return false;
	if ((pin->set = pack(&f->set)) == NULL) {
		free(pin);
		return false;
	}
	pin->since = wall;
	pin->len = d->len;
	memcpy(pin->domain, d->text, d->len);
	*at = pin;
	p->count++;
	return true;
}

bool
pins_accept(struct pins *p, const struct domain *d, int64_t wall)
{
	struct pin **at = find(p, d), *pin = *at;
	struct srv_set held;

	if (pin == NULL || pin->held == NULL)
		return false;
	srvpack_get(pin->held, &held);
	return renew(p, at, &held, wall);
}

/* Disk */

static void
tell(const struct pin *pin, enum stored_kind kind, const char *packed, int64_t since,
	pins_each *each, void *arg)
{
	struct stored s = {.kind = kind,
		.type = DNS_TYPE_SRV,
		.domain = {.len = pin->len},
		.when = since};

	memcpy(s.domain.text, pin->domain, pin->len);
	srvpack_get(packed, &s.fact.set);
	s.fact.status = s.fact.set.n > 0 ? DNS_RECORDS : DNS_NONE;
	each(arg, &s);
}

static void
tell_pin(const struct pin *pin, pins_each *each, void *arg)
{
	tell(pin, STORED_PIN, pin->set, pin->since, each, arg);
	if (pin->held != NULL)
		tell(pin, STORED_HELD, pin->held, pin->held_since, each, arg);
}

void
pins_walk(struct pins *p, pins_each *each, void *arg)
{
	for (size_t i = 0; i <= p->mask; i++)
		for (const struct pin *pin = p->bucket[i]; pin != NULL; pin = pin->next)
			tell_pin(pin, each, arg);
}

void
pins_walk_domain(struct pins *p, const struct domain *d, pins_each *each, void *arg)
{
	const struct pin *pin = *find(p, d);
	struct stored gone = {.kind = STORED_PIN,
		.type = DNS_TYPE_SRV,
		.domain = *d,
		.fact = {.status = DNS_NONE}};

	if (pin != NULL)
		tell_pin(pin, each, arg);
	else
		each(arg, &gone);
}

bool
pins_load(struct pins *p, const struct stored *s)
{
	struct pin **at = find(p, &s->domain), *pin = *at;

	if (s->kind == STORED_HELD) {
		if (pin == NULL || !replace(&pin->held, &s->fact.set))
			return false;
		pin->held_since = s->when;
		return true;
	}
	if (s->kind != STORED_PIN)
		return false;
	if (pin != NULL)
		drop(p, at);
	return s->fact.set.n == 0 || pins_add(p, &s->domain, &s->fact, s->when);
}
