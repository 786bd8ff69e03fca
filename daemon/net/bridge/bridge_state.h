/* The addresses of the bridge and the file in which they are kept. */
#ifndef NET_BRIDGE_STATE_H
#define NET_BRIDGE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/answer.h"
#include "core/bridge_table.h"
#include "core/counters.h"
#include "flow/lookup.h"
#include "net/loop.h"

struct bridge_state;

struct bridge_state_config {
	struct loop *loop;
	struct counters *counters;
	struct bridge_table_config addresses; /* without the secret */
	const char *state_dir;                /* kept by the caller */
	bool isolate_domains;                 /* each domain has addresses of its own */
	int64_t (*wall)(void);                /* seconds since 1970 */

	/* What has a number up to this one is on the disk, or can't be written now.
	 * Called from the loop. */
	void (*kept)(void *arg, uint64_t upto, bool good);
	void *arg;
};

/* Takes the addresses of before. NULL if they can't be read, logged. If none can be added
 * to the file that is a warning: those of before are answered. */
struct bridge_state *bridge_state_open(const struct bridge_state_config *config);
void bridge_state_close(struct bridge_state *state);

/* The address for the route of a domain's answer. Anything but REASON_NONE: there is
 * none, which is counted. The wait is all zeros, and set if the address isn't on the disk
 * yet. */
enum reason bridge_state_assign(struct bridge_state *state, const struct domain *domain,
	const struct map_options *options, const struct answer *answer, uint32_t *ipv4,
	struct bridge_wait *wait);

/* What an address stands for; see bridge_table_get(). */
bool bridge_state_get(
	const struct bridge_state *state, uint32_t ipv4, struct bridge_line *line);

/* A client has connected to an address that is there. */
void bridge_state_use(struct bridge_state *state, uint32_t ipv4);

#endif
