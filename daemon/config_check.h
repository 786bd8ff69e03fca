/* The checks of single values, for config.c. */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include <stdbool.h>
#include <sys/types.h>

#include "cfg.h"
#include "core/net4.h"
#include "flow/lookup.h"
#include "net/bridge.h"

#define CONFIG_DNS_PORT 53
#define CONFIG_SOCKS_PORT 9050

/* The checks then run as a file is read; each fault goes through cfg_error(). */
void config_check_install(cfg_t *);

/* From the text of an option to its value. False if the text is no good. */
bool config_mode_by_text(const char *text, mode_t *);
bool config_dnssec_by_text(const char *text, enum dnssec *);
bool config_bare_negative_by_text(const char *text, enum bare_negative *);
bool config_answer_by_text(const char *text, enum answer_style *);
bool config_bridge_isolation_by_text(const char *text, enum bridge_isolation *);

/* A number or a name; an empty name is -1. False with errno 0 if the system has no such
 * name, and with another errno if it can't be looked up now. */
bool config_owner_by_text(const char *text, uid_t *);
bool config_group_by_text(const char *text, gid_t *);

/* A user and the user's group, by name or number; a number that the system doesn't know
 * has the group of the same number. Returns the name, which is valid until the next such
 * call, or the text. NULL: likewise. */
const char *config_user_by_text(const char *text, uid_t *uid, gid_t *gid);

/* "10.192.0.0/10": a network. */
bool config_net4_by_text(const char *text, struct net4 *net);

/* "127.42.0.0/16": a net of loopback, whose prefix is from 9 to 30. */
bool config_net_by_text(const char *text, struct bridge_table_config *);

#endif
