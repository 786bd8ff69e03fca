#include "config_table.h"

#include <limits.h>
#include <string.h>

#include "config_type.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MANY 100000000

/* Needs */

static bool
has_map(const struct config *c, const void *section)
{
	(void)section;
	return c->map != NULL;
}

static bool
has_state_dir(const struct config *c, const void *section)
{
	(void)section;
	return c->state_dir != NULL;
}

static bool
has_pins(const struct config *c, const void *section)
{
	(void)section;
	return c->pin_srv;
}

static bool
has_bridge(const struct config *c, const void *section)
{
	(void)section;
	return config_has_answer(c, STYLE_BRIDGE);
}

static bool
has_addresses(const struct config *c, const void *section)
{
	(void)section;
	return config_has_answer(c, STYLE_ADDRESS);
}

static bool
is_unix(const struct config *c, const void *section)
{
	const struct listener_options *l = section;

	(void)c;
	return net_addr_path(&l->address) != NULL;
}

static bool
is_table(const struct config *c, const void *section)
{
	const struct listener_options *l = section;

	(void)c;
	return !l->protocol->needs_address;
}

static bool
has_routes(const struct config *c, const void *section)
{
	const struct listener_options *l = section;

	return is_table(c, section) && !l->protocol->cache_only;
}

static const struct config_need need_always = {NULL, NULL};
static const struct config_need need_map = {has_map, "map is empty"};
static const struct config_need need_state_dir = {has_state_dir, "state_dir is empty"};
static const struct config_need need_pins = {has_pins, "pin_srv is no"};
static const struct config_need need_bridge = {
	has_bridge, "no listener has answer = bridge"};
static const struct config_need need_addresses = {
	has_addresses, "no listener has answer = address"};
static const struct config_need need_unix_socket = {
	is_unix, "the listener's address isn't a Unix socket"};
static const struct config_need need_table = {is_table, "readsocket names no transport"};
static const struct config_need need_routes = {
	has_routes, "only tcp_table and socketmap have such an answer"};

/* Defaults that depend on other keys. A protocol that is bad, and has been told, is NULL.
 */

static bool
needs_address(const void *section)
{
	const struct listener_options *l = section;

	return l->protocol != NULL && l->protocol->needs_address;
}

static const char *
default_answer(const void *section)
{
	return needs_address(section) ? "address" : "onion";
}

static const char *
default_transport(const void *section)
{
	const struct listener_options *l = section;

	return l->answer == STYLE_BRIDGE ? "smtp" : "smtptor";
}

static const char *
default_deadline(const void *section)
{
	const struct listener_options *l = section;

	return needs_address(section)                           ? "4000"
	       : l->protocol != NULL && l->protocol->cache_only ? "3000"
								: "500";
}

/* The rows of config_keys.h. SECTION is the struct of their fields. */

/* clang-format off */
#define NONE
#define REQUIRED .is_required = true,
#define RANGE(min_, max_, unit_) .min = (min_), .max = (max_), .unit = (unit_),
#define WORDS(...) .words = (const struct config_word[]){__VA_ARGS__, {NULL, 0}},
#define PORT(port_) .port = (port_),
#define DEPENDS(key) .preset_of = default_##key,

/* The details are several initialisers, or none.
 * NOLINTBEGIN(bugprone-macro-parentheses) */
#define ONE(ctype, field, kind, default_, details, needed) \
	{.name = #field, .at = offsetof(SECTION, field), .type = config_type_##kind, \
	.preset = (default_), details .need = &need_##needed},
#define LIST(ctype, field, most, kind, default_, details, needed) \
	{.name = #field, .at = offsetof(SECTION, field), .type = config_type_##kind, \
	.preset = (default_), details .need = &need_##needed, \
	.room = (most), .item = sizeof(ctype), .count = offsetof(SECTION, n##field)},
/* NOLINTEND(bugprone-macro-parentheses) */

#define SECTION struct config
static const struct config_key outside[] = {CONFIG_KEYS(ONE, LIST)};
#undef SECTION

#define SECTION struct listener_options
static const struct config_key listener[] = {CONFIG_LISTENER_KEYS(ONE, LIST)};
#undef SECTION
/* clang-format on */

const struct config_section config_table[] = {
	{.key = outside, .n = COUNT(outside)},
	{.name = "listener",
		.at = offsetof(struct config, listener),
		.count = offsetof(struct config, nlisteners),
		.size = sizeof(struct listener_options),
		.title = offsetof(struct listener_options, net.name),
		.key = listener,
		.n = COUNT(listener)},
};
const size_t config_table_sections = COUNT(config_table);

_Static_assert(COUNT(outside) <= CONFIG_KEYS_MAX && COUNT(listener) <= CONFIG_KEYS_MAX,
	"a section has room for its keys");

const struct config_section *
config_table_section(const char *name)
{
	for (size_t i = 1; i < COUNT(config_table); i++)
		if (strcmp(config_table[i].name, name) == 0)
			return &config_table[i];
	return NULL;
}

const struct config_key *
config_table_key(const struct config_section *section, const char *name)
{
	for (size_t i = 0; i < section->n; i++)
		if (strcmp(section->key[i].name, name) == 0)
			return &section->key[i];
	return NULL;
}
