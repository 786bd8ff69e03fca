#include "config_hint.h"

#include <stdio.h>
#include <string.h>

#include "config_renamed.h"

#define NAME_MAX_HINT 32 /* longer names are near to no key */

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many letters must be added, left out or changed to make b of a (Levenshtein). */
static size_t
distance(const char *a, const char *b)
{
	const size_t alen = strlen(a), blen = strlen(b);
	size_t row[NAME_MAX_HINT + 1];

	if (blen > NAME_MAX_HINT)
		return blen;
	for (size_t j = 0; j <= blen; j++)
		row[j] = j;
	for (size_t i = 1; i <= alen; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= blen; j++) {
			const size_t changed = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = least(least(row[j], row[j - 1]) + 1, changed);
		}
	}
	return row[blen];
}

/* A third of a name may be wrong. */
static const char *
nearest(const struct config_section *section, const char *name)
{
	size_t best = strlen(name) / 3 + 1;
	const char *found = NULL;

	if (strlen(name) > NAME_MAX_HINT)
		return NULL;
	for (size_t i = 0; i < section->n; i++) {
		const size_t d = distance(name, section->key[i].name);

		if (d < best) {
			best = d;
			found = section->key[i].name;
		}
	}
	for (size_t i = 1; section->name == NULL && i < config_table_sections; i++)
		if (distance(name, config_table[i].name) < best)
			found = config_table[i].name;
	return found;
}

/* NULL: no section has such a key. */
static const struct config_section *
section_of(const char *name)
{
	for (size_t i = 0; i < config_table_sections; i++)
		if (config_table_key(&config_table[i], name) != NULL)
			return &config_table[i];
	return NULL;
}

void
config_hint(const struct config_section *section, const char *name,
	char message[CONFIG_HINT_MAX])
{
	const struct config_section *other = section_of(name);
	const char *now = config_renamed(name), *near = nearest(section, name);

	if (now != NULL)
		snprintf(message, CONFIG_HINT_MAX, "\"%s\" is called \"%s\" now", name,
			now);
	else if (other != NULL && other->name == NULL)
		snprintf(message, CONFIG_HINT_MAX,
			"\"%s\" belongs outside of sections, not in a %s", name,
			section->name);
	else if (other != NULL)
		snprintf(message, CONFIG_HINT_MAX, "\"%s\" belongs in a section \"%s\"",
			name, other->name);
	else if (near != NULL)
		snprintf(message, CONFIG_HINT_MAX,
			"there is no key \"%s\": is \"%s\" meant?", name, near);
	else
		snprintf(message, CONFIG_HINT_MAX, "there is no key \"%.100s\"", name);
}
