/* A configuration file, read: name = value, name = {value, value}, and sections with a
 * name, listener "name" { name = value }. The keys are those of config_table.h.
 *
 * Each fault is printed to standard error as FILE:LINE:COLUMN: message, when there is no
 * memory, too; then the next key is read. */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "config_scan.h"
#include "config_table.h"

/* What is known of a key beside its value. */
struct config_mark {
	struct config_place name, value; /* in the file, or nowhere */
	bool is_set;                     /* has not its default */
	bool is_bad;                     /* has a fault, which has been printed */
};

/* A section, or the keys outside of sections. */
struct config_block {
	const struct config_section *section;
	size_t index; /* of its struct among those of the section */
	struct config_place place;
	struct config_mark mark[CONFIG_KEYS_MAX]; /* as the section's keys */
};

struct config_file {
	const char *name;
	struct config *config;
	struct config_block *block; /* the first has the keys outside of sections */
	size_t nblocks;
	bool is_good;   /* until the first fault */
	bool is_lost;   /* after a fault that may have hidden the ends of sections */
	bool is_preset; /* what is read is no file: no place counts */
	unsigned line;  /* of the key that is being read */
	struct config_scan scan;
};

/* Reads a text of len bytes, behind which stands a NUL, into config, which is all zeros.
 * Without a section "listener" in it the listeners are those of a text of ours. The
 * file's is_good says whether there was a fault; a key that has none has its value or its
 * default. name and config belong to the caller and must outlive the file. NULL: no
 * memory. */
struct config_file *config_file_read(
	const char *name, const char *text, size_t len, struct config *config);
void config_file_free(struct config_file *);

/* Prints a fault, or a warning. */
__attribute__((format(printf, 3, 4))) void config_file_fault(
	struct config_file *, struct config_place, const char *format, ...);
__attribute__((format(printf, 3, 4))) void config_file_warn(
	const struct config_file *, struct config_place, const char *format, ...);

/* The struct of a section: struct config, or that of a listener. */
void *config_file_struct(const struct config_file *, const struct config_block *);

/* Where a key stands, and whether it is bad. The key must be one of the block's. */
const struct config_mark *config_file_mark(const struct config_block *, const char *name);

#endif
