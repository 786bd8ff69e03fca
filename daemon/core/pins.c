#include "core/pins.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "core/target.h"

#define DAY_S 86400

/* How many pins are looked at for one that can give its place. */
#define LOOKED_AT 64

/* How often a hold is written to the disk, as a part of it. */
#define NOTED_PARTS 16

struct pin {
	struct pin *next; /* in the bucket */
	TAILQ_ENTRY(pin) by_use;
	struct parents parents;
	uint32_t day; /* of the last use that was noted on disk */
	int64_t since;
	int64_t pending_seen;  /* when DNS last said what is held back */
	int64_t pending_for;   /* how much of its hold had passed then, in seconds */
	int64_t pending_noted; /* the same, on the disk */
	char *set;             /* packed, never empty */
	char *pending; /* packed, an empty set for no route; NULL: nothing is held back */
	uint8_t len;
	char domain[];
};

struct pins {
	struct pins_config config;
	size_t count;
	size_t mask;
	struct parents_counts *parents;
	TAILQ_HEAD(, pin) by_use; /* the one that has gone unused longest first */
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
	TAILQ_INIT(&p->by_use);
	if ((p->parents = parents_counts_new(config->max)) != NULL)
		return p;
	free(p);
	return NULL;
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
	TAILQ_REMOVE(&p->by_use, pin, by_use);
	parents_remove(p->parents, &pin->parents);
	p->count--;
	free(pin->set);
	free(pin->pending);
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
	parents_counts_free(p->parents);
	free(p);
}

static char *
pack(const struct target_set *set)
{
	char *packed = malloc(target_set_packed_size(set));

	if (packed != NULL)
		target_set_pack(packed, set);
	return packed;
}

static bool
same_targets(const char *packed, const struct target_set *b)
{
	struct target_set a;

	target_set_unpack(packed, &a);
	return target_set_same(&a, b);
}

/* Replaces a packed set. */
static bool
replace(char **packed, const struct target_set *set)
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
renew(struct pins *p, struct pin **at, const struct target_set *set, int64_t wall)
{
	struct pin *pin = *at;

	if (set->n == 0) {
		drop(p, at);
		return true;
	}
	if (!replace(&pin->set, set))
		return false;
	pin->since = wall;
	free(pin->pending);
	pin->pending = NULL;
	return true;
}

/* How much of the hold has passed, as DNS says the same now. A clock that was set, or a
 * long time in which nobody asked, is one part of it at most. */
static int64_t
pending_for(const struct pins *p, const struct pin *pin, int64_t wall)
{
	const int64_t most = (p->config.hold_s + PINS_HOLD_PARTS - 1) / PINS_HOLD_PARTS;
	const int64_t gap = wall - pin->pending_seen;

	if (gap <= 0)
		return pin->pending_for;
	return pin->pending_for + (gap < most ? gap : most);
}

static enum pin_verdict
judge_change(const struct pins *p, const struct pin *pin, const struct dns_fact *f,
	int64_t wall)
{
	if (f->ad || p->config.hold_s == 0)
		return PIN_RENEWED;
	if (pin->pending == NULL || !same_targets(pin->pending, &f->set))
		return PIN_CHANGED;
	return pending_for(p, pin, wall) < p->config.hold_s ? PIN_HELD : PIN_RENEWED;
}

enum pin_verdict
pins_judge(const struct pins *p, const struct domain *d, const struct dns_fact *f,
	int64_t wall, struct target_set *use)
{
	const struct pin *pin = pin_of(p, d);
	enum pin_verdict verdict;

	if (pin == NULL)
		return PIN_NONE;
	if (same_targets(pin->set, &f->set))
		return pin->pending == NULL ? PIN_SAME : PIN_RETURNED;
	verdict = judge_change(p, pin, f, wall);
	if (verdict != PIN_RENEWED)
		target_set_unpack(pin->set, use);
	return verdict;
}

uint32_t
pins_day(int64_t wall)
{
	return wall > 0 ? (uint32_t)(wall / DAY_S) : 0;
}

/* Returns whether the day of the use is to be written to the disk. */
static bool
note_use(struct pins *p, struct pin *pin, int64_t wall)
{
	const uint32_t today = pins_day(wall);

	TAILQ_REMOVE(&p->by_use, pin, by_use);
	TAILQ_INSERT_TAIL(&p->by_use, pin, by_use);
	if (today >= pin->day && today - pin->day < PINS_LAG_DAYS)
		return false;
	pin->day = today;
	return true;
}

/* Returns whether that is to be written to the disk. */
static bool
note_held(const struct pins *p, struct pin *pin, int64_t wall)
{
	pin->pending_for = pending_for(p, pin, wall);
	pin->pending_seen = wall;
	if ((pin->pending_for - pin->pending_noted) * NOTED_PARTS < p->config.hold_s)
		return false;
	pin->pending_noted = pin->pending_for;
	return true;
}

static bool
note_verdict(struct pins *p, struct pin **at, const struct dns_fact *f,
	enum pin_verdict verdict, int64_t wall)
{
	struct pin *pin = *at;

	switch (verdict) {
	case PIN_NONE:
	case PIN_SAME:
		break;
	case PIN_HELD:
		return note_held(p, pin, wall);
	case PIN_RETURNED:
		free(pin->pending);
		pin->pending = NULL;
		return true;
	case PIN_RENEWED:
		return renew(p, at, &f->set, wall);
	case PIN_CHANGED:
		if (!replace(&pin->pending, &f->set))
			break;
		pin->pending_seen = wall;
		pin->pending_for = pin->pending_noted = 0;
		return true;
	}
	return false;
}

bool
pins_note(struct pins *p, const struct domain *d, const struct dns_fact *f,
	enum pin_verdict verdict, int64_t wall)
{
	struct pin **at = find(p, d);
	bool is_news;

	if (*at == NULL)
		return false;
	is_news = note_use(p, *at, wall);
	return note_verdict(p, at, f, verdict, wall) || is_news;
}

static struct pin *
find_unused(struct pins *p, uint32_t today)
{
	struct pin *pin = TAILQ_FIRST(&p->by_use);

	for (int i = 0; i < LOOKED_AT && pin != NULL; i++) {
		if (pin->pending == NULL && today > pin->day &&
			today - pin->day > PINS_UNUSED_DAYS + PINS_LAG_DAYS)
			return pin;
		pin = TAILQ_NEXT(pin, by_use);
	}
	return NULL;
}

bool
pins_make_room(struct pins *p, int64_t wall, struct domain *gone)
{
	const struct pin *pin;

	if (p->count < p->config.max || (pin = find_unused(p, pins_day(wall))) == NULL)
		return false;
	*gone = (struct domain){.len = pin->len};
	memcpy(gone->text, pin->domain, pin->len);
	drop(p, find(p, gone));
	return true;
}

static struct pin *
make_pin(const struct domain *d, const struct target_set *set)
{
	struct pin *pin = calloc(1, sizeof(*pin) + d->len);

	if (pin == NULL)
		return NULL;
	if ((pin->set = pack(set)) == NULL) {
		free(pin);
		return NULL;
	}
	pin->len = d->len;
	memcpy(pin->domain, d->text, d->len);
	return pin;
}

static struct pin *
insert(struct pins *p, struct pin **at, const struct domain *d,
	const struct target_set *set)
{
	struct pin *pin = make_pin(d, set);

	if (pin == NULL)
		return NULL;
	pin->parents = parents_of(&p->config.key, d->text, d->len);
	if (!parents_add(p->parents, &pin->parents)) {
		free(pin->set);
		free(pin);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&p->by_use, pin, by_use);
	*at = pin;
	p->count++;
	return pin;
}

bool
pins_add(struct pins *p, const struct domain *d, const struct dns_fact *f, int64_t wall)
{
	const struct parents parents = parents_of(&p->config.key, d->text, d->len);
	struct pin **at = find(p, d), *pin;

	if (*at != NULL || p->count >= p->config.max ||
		parents_are_full(p->parents, &parents) ||
		(pin = insert(p, at, d, &f->set)) == NULL)
		return false;
	pin->since = wall;
	pin->day = pins_day(wall);
	return true;
}

bool
pins_accept(struct pins *p, const struct domain *d, int64_t wall)
{
	struct pin **at = find(p, d), *pin = *at;
	struct target_set pending;

	if (pin == NULL || pin->pending == NULL)
		return false;
	target_set_unpack(pin->pending, &pending);
	return renew(p, at, &pending, wall);
}

/* Disk */

static void
tell(const struct pin *pin, enum state_line_kind kind, const char *packed,
	pins_each *each, void *arg)
{
	const bool held = kind == STATE_LINE_HELD;
	struct state_line s = {.kind = kind,
		.type = DNS_TYPE_SRV,
		.domain = {.len = pin->len},
		.ttl = held ? (uint32_t)pin->pending_for : pin->day,
		.when = held ? pin->pending_seen : pin->since};

	memcpy(s.domain.text, pin->domain, pin->len);
	target_set_unpack(packed, &s.fact.set);
	s.fact.status = s.fact.set.n > 0 ? DNS_RECORDS : DNS_NONE;
	each(arg, &s);
}

static void
tell_pin(const struct pin *pin, pins_each *each, void *arg)
{
	tell(pin, STATE_LINE_PIN, pin->set, each, arg);
	if (pin->pending != NULL)
		tell(pin, STATE_LINE_HELD, pin->pending, each, arg);
}

void
pins_walk(struct pins *p, pins_each *each, void *arg)
{
	const struct pin *pin;

	TAILQ_FOREACH (pin, &p->by_use, by_use)
		tell_pin(pin, each, arg);
}

void
pins_walk_domain(struct pins *p, const struct domain *d, pins_each *each, void *arg)
{
	const struct pin *pin = *find(p, d);
	struct state_line gone = {.kind = STATE_LINE_PIN,
		.type = DNS_TYPE_SRV,
		.domain = *d,
		.fact = {.status = DNS_NONE}};

	if (pin != NULL)
		tell_pin(pin, each, arg);
	else
		each(arg, &gone);
}

enum pins_loaded
pins_load(struct pins *p, const struct state_line *s, uint32_t today)
{
	struct pin **at = find(p, &s->domain), *pin = *at;

	if (s->kind == STATE_LINE_HELD) {
		if (pin == NULL)
			return PINS_LEFT_OUT;
		if (!replace(&pin->pending, &s->fact.set))
			return PINS_NO_MEMORY;
		pin->pending_seen = s->when;
		pin->pending_for = pin->pending_noted = s->ttl;
		return PINS_LOADED;
	}
	if (s->kind != STATE_LINE_PIN)
		return PINS_LEFT_OUT;
	if (pin != NULL)
		drop(p, at);
	if (s->fact.set.n == 0)
		return PINS_LOADED;
	if (p->count >= p->config.max)
		return PINS_LEFT_OUT;
	pin = insert(p, find(p, &s->domain), &s->domain, &s->fact.set);
	if (pin == NULL)
		return PINS_NO_MEMORY;
	pin->since = s->when;
	pin->day = s->ttl == 0 || s->ttl > today ? today : s->ttl;
	return PINS_LOADED;
}
