/* The addresses of the bridge: a loopback address of its own for each set of targets, and
 * never another one. Mail servers remember what they think of an address, so it is the
 * same for ever: it is kept on disk. A new one follows from what it stands for and from a
 * secret, so that it tells nobody on this machine what was asked for. */
#ifndef CORE_ADDRESSBOOK_H
#define CORE_ADDRESSBOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/domain.h"
#include "core/policy.h"
#include "core/route.h"
#include "core/sealed.h"
#include "core/siphash.h"

struct addressbook;

struct addressbook_config {
	uint32_t net;    /* host byte order */
	unsigned prefix; /* bits of the net, 8 to 30 */
	size_t max;      /* addresses */
	struct siphash_key
		key; /* the secret; the same in each run, or new addresses differ */
};

/* What an address stands for. */
struct way {
	uint32_t ipv4;        /* host byte order */
	struct domain domain; /* it is only for this one; len 0: for all */
	struct tls_policy tls;
	struct route route; /* in the order in which to try the targets; no addresses */
};

enum addressbook_status {
	ADDRESSBOOK_FOUND,
	ADDRESSBOOK_NEW,
	ADDRESSBOOK_FULL,
	ADDRESSBOOK_NOMEM,
};

/* NULL: out of memory. */
struct addressbook *addressbook_new(const struct addressbook_config *);
void addressbook_free(struct addressbook *);

/* The address for a way; way->ipv4 is set by it. The order of its targets is what makes
 * no difference: it is remembered for addressbook_get(). */
enum addressbook_status addressbook_assign(struct addressbook *, struct way *);

/* Takes back what was assigned a moment ago, and that nobody has heard of. */
void addressbook_forget(struct addressbook *, uint32_t ipv4);

/* False: nothing has this address. The way's names are views, valid until the next change
 * of the book. */
bool addressbook_get(const struct addressbook *, uint32_t ipv4, struct way *);

size_t addressbook_count(const struct addressbook *);
void addressbook_walk(const struct addressbook *,
	void (*each)(void *arg, const struct way *), void *arg);

/* Puts back an address from before. False: it isn't in the net, or something else has it,
 * or there is no room. */
bool addressbook_load(struct addressbook *, const struct way *);

/* A way as a line:
 *
 *	bridge 127.42.3.4 example.org secure:mx.example.org NAME.onion:25 NAME2.onion:26
 *SEAL
 *
 * with "-" for any domain, and for a TLS_UNSET. The line has its newline and a NUL, which
 * doesn't count. */
#define WAY_LINE_MAX                                                                     \
	(64 + DOMAIN_MAX + TLS_POLICY_MAX +                                              \
		ROUTE_MAX * (DOMAIN_MAX + sizeof(" :65535")) + SEAL_LEN)
size_t way_write(char out[WAY_LINE_MAX], const struct way *);

/* The same without its newline. False: damaged, or no such line. The names are views. */
bool way_read(const char *line, size_t len, struct way *);

#endif
