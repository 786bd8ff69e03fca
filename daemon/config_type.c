#include "config_type.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/onion.h"
#include "core/protocols.h"

/* Numbers and words */

static bool
read_number(const char *text, long min, long max, long *value)
{
	const size_t sign = *text == '-';
	const size_t digits = strspn(text + sign, "0123456789");

	if (digits == 0 || digits > 18 || text[sign + digits] != '\0')
		return false;
	*value = strtol(text, NULL, 10);
	return *value >= min && *value <= max;
}

const char *
config_type_number(const struct config_key *key, const char *text, void *field)
{
	static char expected[80];
	long value;

	if (read_number(text, key->min, key->max, &value)) {
		*(int *)field = (int)value;
		return NULL;
	}
	snprintf(expected, sizeof(expected), "a number%s%s from %ld to %ld",
		key->unit != NULL ? " of " : "", key->unit != NULL ? key->unit : "",
		key->min, key->max);
	return expected;
}

/* Not 25: Postfix takes every address of this machine for itself there. */
const char *
config_type_port(const struct config_key *key, const char *text, void *field)
{
	long value;

	(void)key;
	if (!read_number(text, 1, 65535, &value) || value == SMTP_PORT)
		return "a port from 1 to 65535 that isn't 25";
	*(int *)field = (int)value;
	return NULL;
}

const char *
config_type_yes_no(const struct config_key *key, const char *text, void *field)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};

	(void)key;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(text, words[i]) == 0) {
			*(bool *)field = i % 2 == 1;
			return NULL;
		}
	return "yes or no";
}

const char *
config_type_word(const struct config_key *key, const char *text, void *field)
{
	static char expected[80];
	size_t len = 0;

	expected[0] = '\0';
	for (const struct config_word *w = key->words; w->text != NULL; w++) {
		if (strcmp(text, w->text) == 0) {
			memcpy(field, &w->value, sizeof(w->value));
			return NULL;
		}
		len += (size_t)snprintf(expected + len, sizeof(expected) - len, "%s%s",
			w == key->words     ? ""
			: w[1].text == NULL ? " or "
					    : ", ",
			w->text);
	}
	return expected;
}

const char *
config_type_protocol(const struct config_key *key, const char *text, void *field)
{
	const struct proto **proto = field;

	(void)key;
	*proto = protocols_by_name(text);
	return *proto != NULL ? NULL : "readsocket, tcp_table, socketmap or policy";
}

const char *
config_type_mode(const struct config_key *key, const char *text, void *field)
{
	char *end;
	unsigned long value = strtoul(text, &end, 8);

	(void)key;
	if (end == text || *end != '\0' || text[0] == '-' || value > 0777)
		return "an octal file mode like 0660";
	*(mode_t *)field = (mode_t)value;
	return NULL;
}

/* Strings */

static const char *
store_string(const char *text, void *field)
{
	char **string = field;

	*string = strdup(text);
	return *string != NULL ? NULL : strerror(errno);
}

/* The daemon goes to / when it goes to the background. */
const char *
config_type_path(const struct config_key *key, const char *text, void *field)
{
	(void)key;
	if (*text == '\0')
		return NULL;
	return *text == '/' ? store_string(text, field) : "an absolute path";
}

/* "_service._proto." of LDH labels, the first two with an underscore in front. */
const char *
config_type_labels(const struct config_key *key, const char *text, void *field)
{
	size_t len = strlen(text);
	char labels[DOMAIN_MAX];
	size_t n = 0;

	(void)key;
	for (const char *p = text; *p != '\0' && n < sizeof(labels); p++)
		if (*p != '_' || (p > text && p[-1] != '.'))
			labels[n++] = *p;
	if (n > 1 && len < 64 && labels[n - 1] == '.' && text[0] == '_' &&
		domain_is_canonical(labels, n - 1))
		return store_string(text, field);
	return "lower-case labels like _onion-mx._tcp.";
}

const char *
config_type_transport(const struct config_key *key, const char *text, void *field)
{
	(void)key;
	if (render_transport_valid(text))
		return store_string(text, field);
	return "a name of master.cf: letters, digits, - and _, at most 32";
}

/* Addresses */

const char *
config_type_ip(const struct config_key *key, const char *text, void *field)
{
	if (strncmp(text, "unix:", 5) == 0)
		return "ADDRESS or ADDRESS:PORT";
	return net_addr_parse(field, text, key->port);
}

const char *
config_type_listen(const struct config_key *key, const char *text, void *field)
{
	(void)key;
	return net_addr_parse(field, text, 0);
}

const char *
config_type_socket(const struct config_key *key, const char *text, void *field)
{
	struct net_addr *addr = field;

	(void)key;
	if (*text == '\0' ||
		(net_addr_parse(addr, text, 0) == NULL && net_addr_path(addr) != NULL))
		return NULL;
	*addr = (struct net_addr){.len = 0};
	return "unix:/PATH";
}

static bool
read_net(const char *text, struct net4 *net)
{
	struct in_addr address;
	char ip[16], prefix[3];
	int end = 0;

	if (sscanf(text, "%15[0-9.]/%2[0-9]%n", ip, prefix, &end) != 2 ||
		text[end] != '\0' || inet_pton(AF_INET, ip, &address) != 1)
		return false;
	net->prefix = (unsigned)strtoul(prefix, NULL, 10);
	net->address = ntohl(address.s_addr);
	return net->prefix >= 1 && net->prefix <= 32 &&
	       (net->address & (uint32_t)(UINT64_C(0xffffffff) >> net->prefix)) == 0;
}

/* What tor may give must be for private use, from the first address to the last. */
const char *
config_type_private_net(const struct config_key *key, const char *text, void *field)
{
	struct net4 *net = field;

	(void)key;
	if (read_net(text, net) && net->prefix >= 8 && onion_is_virtual(net->address) &&
		onion_is_virtual(net4_last(net)))
		return NULL;
	return "a net of addresses for private use, like 10.192.0.0/10";
}

const char *
config_type_loopback_net(const struct config_key *key, const char *text, void *field)
{
	struct net4 *net = field;

	(void)key;
	if (read_net(text, net) && net->address >> 24 == IN_LOOPBACKNET &&
		net->prefix >= 9 && net->prefix <= 30)
		return NULL;
	return "a net of 127.0.0.0/8 with a prefix from 9 to 30, like 127.42.0.0/16";
}

/* Users and groups */

static bool
id_by_number(const char *text, unsigned *id)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	*id = (unsigned)value;
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && value < UINT32_MAX;
}

/* How a name that wasn't found is told from a search that failed: getpwnam(3). */
static const char *
not_found(int error, const char *nothing)
{
	errno = error == ENOENT || error == ESRCH || error == EBADF || error == EPERM
			? 0
			: error;
	return errno == 0 ? nothing : strerror(errno);
}

/* Empty: nobody is set. In a list that would be the number of those whose user isn't
 * known (PLACES_NOBODY). */
const char *
config_type_owner(const struct config_key *key, const char *text, void *field)
{
	uid_t *id = field;
	const struct passwd *pw;

	*id = (uid_t)-1;
	if ((*text == '\0' && key->room == 0) || id_by_number(text, id))
		return NULL;
	errno = 0;
	if ((pw = getpwnam(text)) == NULL)
		return not_found(errno, "no such user");
	*id = pw->pw_uid;
	return NULL;
}

const char *
config_type_group(const struct config_key *key, const char *text, void *field)
{
	gid_t *id = field;
	const struct group *gr;

	(void)key;
	*id = (gid_t)-1;
	if (*text == '\0' || id_by_number(text, id))
		return NULL;
	errno = 0;
	if ((gr = getgrnam(text)) == NULL)
		return not_found(errno, "no such group");
	*id = gr->gr_gid;
	return NULL;
}

/* A number that the system doesn't know has the group of the same number. */
const char *
config_type_user(const struct config_key *key, const char *text, void *field)
{
	struct config *c =
		(struct config *)((char *)field - offsetof(struct config, user));
	unsigned number = 0;
	const bool is_number = id_by_number(text, &number);
	const struct passwd *pw;

	(void)key;
	if (*text == '\0')
		return NULL;
	errno = 0;
	pw = is_number ? getpwuid(number) : getpwnam(text);
	c->uid = pw != NULL ? pw->pw_uid : number;
	c->gid = pw != NULL ? pw->pw_gid : number;
	if (pw != NULL)
		return store_string(pw->pw_name, field);
	if (!is_number || not_found(errno, NULL) != NULL)
		return not_found(errno, "no such user");
	return store_string(text, field);
}
