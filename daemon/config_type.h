/* The types of the keys of the configuration: from text to value, see config_type in
 * config_table.h. */
#ifndef CONFIG_TYPE_H
#define CONFIG_TYPE_H

#include "config_table.h"

config_type config_type_number; /* int, from min to max */
config_type config_type_port;   /* int, a TCP port other than 25 */
config_type config_type_yes_no; /* bool */
config_type config_type_word;   /* an enum; one of words */

/* Strings (char *), which are to be freed */
config_type config_type_path;      /* absolute; empty: NULL */
config_type config_type_labels;    /* what stands before a domain in DNS */
config_type config_type_transport; /* a name of master.cf */

/* Addresses */
config_type config_type_ip;     /* struct net_addr, numeric; port is the default port */
config_type config_type_listen; /* struct net_addr, with a port or of a Unix socket */
config_type config_type_socket; /* struct net_addr of a Unix socket; empty: len is 0 */
config_type config_type_private_net;  /* struct net4, for private use */
config_type config_type_loopback_net; /* struct net4 */

config_type config_type_protocol; /* const struct proto * */
config_type config_type_mode;     /* mode_t, octal */

/* Users and groups, a name or a number */
config_type config_type_owner; /* uid_t; empty: -1 */
config_type config_type_group; /* gid_t; empty: -1 */
config_type config_type_user;  /* struct config: user, uid and gid; empty: none */

#endif
