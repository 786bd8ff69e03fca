/* The configuration, read and checked. */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "config_keys.h"
#include "core/net4.h"
#include "core/proto.h"
#include "flow/lookup.h"
#include "net/bridge.h"
#include "net/listener.h"
#include "net/log.h"

#define CONFIG_DEFAULT_FILE "/etc/onionmxd/onionmxd.conf"

/* The field of a key has its name, and a list n values: nsocks. A string is NULL if it is
 * empty in the file. Numbers have the unit of their key. */
#define CONFIG_FIELD(ctype, name, ...) ctype name;
#define CONFIG_LIST_FIELD(ctype, name, room, ...)                                        \
	ctype name[room];                                                                \
	size_t n##name;

struct listener_options {
	CONFIG_LISTENER_KEYS(CONFIG_FIELD, CONFIG_LIST_FIELD)
	struct listener_config net; /* what of them the shell needs */
};

struct config {
	CONFIG_KEYS(CONFIG_FIELD, CONFIG_LIST_FIELD)
	bool any_bridge_user; /* the file says that there is no limit */
	bool has_control;
	uid_t uid; /* these two: of user */
	gid_t gid;
	struct listener_config control_socket;
	struct listener_options *listener;
	size_t nlisteners;
};

void config_free(struct config *);

/* Has any listener answers of this style? */
bool config_has_answer(const struct config *, enum answer_style);

/* Is any listener's answer an address of the bridge? */
bool config_has_bridge(const struct config *);

#endif
