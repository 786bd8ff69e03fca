/* The keys of config_keys.h as a table: how each is read, and where its value goes. */
#ifndef CONFIG_TABLE_H
#define CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

#define CONFIG_KEYS_MAX 64 /* in a section */

struct config_key;

/* Reads a value into a field. Returns NULL, or what a value must be (valid until the next
 * call). errno is then 0, or says why the system couldn't be asked. */
typedef const char *config_type(const struct config_key *, const char *text, void *field);

struct config_word {
	const char *text;
	int value; /* of an enum */
};

/* What must be so for a key to have an effect. section is the struct of its section. */
struct config_need {
	bool (*is_met)(const struct config *, const void *section); /* NULL: always */
	const char *otherwise; /* why the key has no effect */
};

struct config_key {
	const char *name;
	config_type *type;
	size_t at;          /* where the field is in the section's struct */
	const char *preset; /* the default; NULL: none */

	/* NULL, or finds the default, which depends on keys of the rows before. */
	const char *(*preset_of)(const void *section);

	long min, max;                   /* of numbers */
	const char *unit;                /* NULL: none */
	const struct config_word *words; /* up to one without a text */
	unsigned port;                   /* the default of addresses; 0: none */
	bool is_required;

	/* Of a list, whose field is an array: how many values there can be, the bytes of
	 * one, and where their number is. */
	size_t room, item, count;

	const struct config_need *need;
};

struct config_section {
	const char *name; /* NULL: the keys outside of sections */
	size_t at, count; /* of the pointer to its structs in struct config, and of their
			     number */
	size_t size;      /* of such a struct */
	size_t title;     /* of the name's char pointer therein */
	const struct config_key *key;
	size_t n;
};

/* Those outside of sections come first. */
extern const struct config_section config_table[];
extern const size_t config_table_sections;

/* NULL: there is none of that name. */
const struct config_section *config_table_section(const char *name);
const struct config_key *config_table_key(
	const struct config_section *, const char *name);

#endif
