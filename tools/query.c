#include "query.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cdbfile.h"
#include "core/domain.h"
#include "core/maprec.h"
#include "core/maptext.h"
#include "core/onion.h"

static bool
open_map(const char *path, struct cdbfile *map)
{
	const char *wrong;

	if (cdbfile_open(map, path, &wrong))
		return true;
	if (wrong != NULL)
		warnx("%s: %s", path, wrong);
	else
		warn("%s", path);
	return false;
}

/* The daemon refuses a map for a single fault in it. */
static bool
map_is_good(const char *path, const struct map_image *map)
{
	const char *wrong = cdbfile_check(map);

	if (wrong != NULL)
		warnx("%s: the daemon doesn't take this map: %s", path, wrong);
	return wrong == NULL;
}

static bool
flushed(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	warn("standard output");
	return false;
}

/* Keys come from anywhere: no byte of them may break the line or move the cursor. */
static void
print_key(const char *key)
{
	for (; *key != '\0'; key++)
		putchar((unsigned char)*key < ' ' || *key == 0x7f ? '?' : *key);
}

static enum exit_status
answer(const char *key, const char *what, const char *detail, enum exit_status st)
{
	print_key(key);
	printf("\t%s%s\n", what, detail);
	return st;
}

/* Query */

static enum map_image_status
find(const struct map_image *map, const char *prefix, const struct domain *d,
	struct map_record *r)
{
	struct map_key k;

	map_key_start(&k, prefix, d);
	while (map_key_next(&k)) {
		enum map_image_status st = map_image_find(map, k.key, k.len, r);

		if (st != MAP_IMAGE_MISSING)
			return st;
	}
	return MAP_IMAGE_MISSING;
}

/* What is looked for, and what stands before it in the map. */
struct wanted {
	const char *key;    /* as it was written */
	const char *prefix; /* "" or MAP_KEY_MX */
	struct domain domain;
};

static enum exit_status
query_map(const char *path, const struct map_image *map, const struct wanted *w)
{
	struct map_record r;
	struct target_set route;
	struct map_options options;

	switch (find(map, w->prefix, &w->domain, &r)) {
	case MAP_IMAGE_MISSING:
		return answer(w->key, "not found", "", STATUS_NOT_FOUND);
	case MAP_IMAGE_FOUND:
		if (maprec_parse(r.value, r.len, &route, &options, NULL) == MAPREC_BAD) {
			warnx("%s: the record of %.*s is damaged", path, (int)r.keylen,
				r.key);
			return STATUS_NO_ANSWER;
		}
		print_key(w->key);
		printf("\t%.*s\t%.*s\n", (int)r.len, r.value, (int)r.keylen, r.key);
		return STATUS_OK;
	case MAP_IMAGE_DAMAGED:
		break;
	}
	warnx("%s: damaged, can't look for %s", path, w->domain.text);
	return STATUS_NO_ANSWER;
}

/* Such a name never reaches the map. */
static enum exit_status
query_onion(const char *key, const struct domain *d)
{
	enum onion_status st = onion_check(d->text, d->len, NULL);

	if (st == ONION_OK)
		return answer(key, d->text, "", STATUS_OK);
	return answer(key, "never deliverable: ", onion_reason(st), STATUS_NOT_FOUND);
}

static enum exit_status
query(const char *path, const struct map_image *map, const char *key)
{
	const size_t mx = strlen(MAP_KEY_MX);
	bool is_mx = strncmp(key, MAP_KEY_MX, mx) == 0;
	struct wanted w = {.key = key, .prefix = is_mx ? MAP_KEY_MX : ""};
	const char *name = is_mx ? key + mx : key;

	switch (domain_from_key(&w.domain, name, strlen(name))) {
	case DOMAIN_OK:
		if (domain_is_onion(&w.domain) && !is_mx)
			return query_onion(key, &w.domain);
		return query_map(path, map, &w);
	case DOMAIN_UNUSABLE:
		return answer(key, "not found: no domain", "", STATUS_NOT_FOUND);
	case DOMAIN_ONION:
		return answer(key, "never deliverable: ", "not a valid .onion name",
			STATUS_NOT_FOUND);
	case DOMAIN_UNKNOWN:
		return answer(key, "it has a character that is unknown here", "",
			STATUS_NO_ANSWER);
	case DOMAIN_NOMEM:
		break;
	}
	errno = ENOMEM;
	warn("query");
	return STATUS_NO_ANSWER;
}

enum exit_status
command_query(const struct arguments *args)
{
	const char *path = args->operand[0];
	enum exit_status worst = STATUS_OK;
	struct cdbfile map;

	if (!open_map(path, &map))
		return STATUS_NO_ANSWER;
	for (int i = 1; i < args->n; i++) {
		enum exit_status st = query(path, &map.image, args->operand[i]);

		if (st > worst)
			worst = st;
	}
	if (!map_is_good(path, &map.image))
		worst = STATUS_NO_ANSWER;
	cdbfile_close(&map);
	return flushed() ? worst : STATUS_NO_ANSWER;
}

/* Dump */

/* Prints the record as a line that compiles to the same record. False: no line does. */
static bool
print_record(const struct map_record *r)
{
	char line[MAP_KEY_MAX + 1 + MAP_VALUE_MAX], key[MAP_KEY_MAX];
	struct map_entry entry;
	struct map_error ignored;
	struct target_set route;
	struct map_options options;
	size_t len = r->keylen + 1 + r->len;

	if (r->keylen > MAP_KEY_MAX || r->len > MAP_VALUE_MAX ||
		maprec_parse(r->value, r->len, &route, &options, NULL) == MAPREC_BAD)
		return false;
	memcpy(line, r->key, r->keylen);
	line[r->keylen] = '\t';
	memcpy(line + r->keylen + 1, r->value, r->len);
	if (maptext_parse(line, len, &entry, &ignored, NULL) != MAPTEXT_ENTRY)
		return false;
	if (maptext_key(&entry, key) != r->keylen || memcmp(key, r->key, r->keylen) != 0)
		return false;
	printf("%.*s\n", (int)len, line);
	return true;
}

static bool
dump_record(const char *path, const struct map_image *map, const struct map_record *r)
{
	struct map_record found;

	if (map_image_find(map, r->key, r->keylen, &found) != MAP_IMAGE_FOUND) {
		warnx("%s: the record at %" PRIu32 " is damaged: its key doesn't find it",
			path, r->position);
		return false;
	}
	if (found.position != r->position) {
		warnx("%s: the record at %" PRIu32 " is left out: the one at %" PRIu32
		      " has the same key and is found first",
			path, r->position, found.position);
		return true;
	}
	if (!map_sum_is_key(r->key, r->keylen) && !print_record(r)) {
		warnx("%s: the record at %" PRIu32 " is damaged, or no map entry", path,
			r->position);
		return false;
	}
	return true;
}

enum exit_status
command_dump(const struct arguments *args)
{
	const char *path = args->operand[0];
	uint32_t next = MAP_IMAGE_EMPTY;
	enum map_image_status st;
	struct cdbfile map;
	struct map_record r;
	bool good = true;

	if (!open_map(path, &map))
		return STATUS_ERRORS;
	while ((st = map_image_next(&map.image, &next, &r)) == MAP_IMAGE_FOUND)
		if (!dump_record(path, &map.image, &r))
			good = false;
	if (st == MAP_IMAGE_DAMAGED) {
		warnx("%s: damaged", path);
		good = false;
	}
	good = good && map_is_good(path, &map.image);
	cdbfile_close(&map);
	return flushed() && good ? STATUS_OK : STATUS_ERRORS;
}
