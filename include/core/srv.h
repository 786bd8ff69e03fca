/* SRV records (RFC 2782) that name onion services, and their order. */
#ifndef CORE_SRV_H
#define CORE_SRV_H

#include "core/target.h"

/* The place in a set of records for a new one: a free one, that of a duplicate (same host
 * and port) or of the least preferred record if the set is full. NULL if the record adds
 * nothing, because what is there is preferred to it. The caller fills it in. */
struct target *srv_place(struct target_set *set, const struct target *record);

/* Orders records by priority and, within one, by the weighted choice of RFC 2782: the
 * same seed gives the same order. route isn't set; its names are those of set. */
void srv_order(const struct target_set *set, uint64_t seed, struct target_set *route);

#endif
