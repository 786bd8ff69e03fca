/* Reads configuration files: name = value, name = {value, value}, and sections with a
 * title, section "title" { name = value }.
 *
 * Each fault is printed to standard error as FILE:LINE: message, when there is no memory,
 * too. What has been read without a fault is complete: every option has its value or its
 * default. */
#ifndef CFG_H
#define CFG_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cfg cfg_t;
typedef struct cfg_opt cfg_opt_t;

/* Looks at what was last read for an option. Anything but 0 is a fault, which it has told
 * by cfg_error(). */
typedef int (*cfg_validate_callback_t)(cfg_t *, cfg_opt_t *);

enum cfg_type {
	CFGT_END,
	CFGT_INT,
	CFGT_BOOL,
	CFGT_STR,
	CFGT_STR_LIST,
	CFGT_SEC,
};

enum cfg_flags {
	CFGF_NONE,
	CFGF_NODEFAULT, /* without a value it is 0, or NULL */
};

enum { cfg_false, cfg_true };

/* A row of a table of options, and, in a copy of the table, what the file says. */
struct cfg_opt {
	const char *name;
	enum cfg_type type;
	enum cfg_flags flags;
	long number; /* the default, then the value */
	const char
		*string; /* the default; that of a list as in a file, with its braces */
	cfg_opt_t *options; /* those of a section */
	cfg_validate_callback_t check;
	char **value;
	cfg_t **section;
	unsigned n;    /* values, or sections */
	unsigned line; /* where the file says it; 0: nowhere */
};

/* The rows of a table. Versions of clang-format disagree about braces in macros. */
/* clang-format off */
#define CFG_ROW(name_, type_, flags_) .name = (name_), .type = (type_), .flags = (flags_)
#define CFG_INT(name, value, flags) { CFG_ROW(name, CFGT_INT, flags), .number = (value) }
#define CFG_BOOL(name, value, flags) { CFG_ROW(name, CFGT_BOOL, flags), .number = (value) }
#define CFG_STR(name, value, flags) { CFG_ROW(name, CFGT_STR, flags), .string = (value) }
#define CFG_STR_LIST(name, value, flags) \
	{ CFG_ROW(name, CFGT_STR_LIST, flags), .string = (value) }
#define CFG_SEC(name, rows) { CFG_ROW(name, CFGT_SEC, CFGF_NONE), .options = (rows) }
#define CFG_END() { .name = NULL }
/* clang-format on */

/* A copy of the table, which must outlive it. NULL: no memory. */
cfg_t *cfg_new(cfg_opt_t *options);
void cfg_free(cfg_t *);

/* Calls check for what is read for an option, or for "section|option". */
void cfg_set_validate_func(cfg_t *, const char *name, cfg_validate_callback_t check);

/* Reads a text of len bytes, behind which stands a NUL. file is for messages and must
 * outlive cfg. False if there is a fault. */
bool cfg_read(cfg_t *, const char *file, const char *text, size_t len);

/* Prints a message with the line that was last read. */
__attribute__((format(printf, 2, 3))) void cfg_error(
	const cfg_t *, const char *format, ...);

/* The same, with the line of this option, if the file has it. */
void cfg_error_at(const cfg_t *, const char *name, const char *message);

/* The values by the names of their options; the strings belong to cfg. */
long cfg_getint(cfg_t *, const char *name);
bool cfg_getbool(cfg_t *, const char *name);
const char *cfg_getstr(cfg_t *, const char *name);
unsigned cfg_size(cfg_t *, const char *name);
const char *cfg_getnstr(cfg_t *, const char *name, unsigned i);
cfg_t *cfg_getnsec(cfg_t *, const char *name, unsigned i);
const char *cfg_title(const cfg_t *);

/* The same for checks. */
const char *cfg_opt_name(const cfg_opt_t *);
unsigned cfg_opt_size(const cfg_opt_t *);
long cfg_opt_getnint(const cfg_opt_t *, unsigned i);
const char *cfg_opt_getnstr(const cfg_opt_t *, unsigned i);
cfg_t *cfg_opt_getnsec(const cfg_opt_t *, unsigned i);

#endif
