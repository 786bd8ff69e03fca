/* What DNS has said of a name, without the message in which it came. */
#ifndef CORE_DNS_FACT_H
#define CORE_DNS_FACT_H

#include "core/dnsmsg.h"

struct dns_fact {
	enum dns_status status;
	enum reason reason;    /* for DNS_FAILED */
	bool ad;               /* validated by a resolver of this machine */
	uint16_t dropped;      /* records that couldn't be used */
	struct target_set set; /* its names belong to whoever made the fact */
};

/* The names are those of the answer. */
static inline void
dns_fact_of_answer(struct dns_fact *f, const struct dns_answer *a)
{
	f->status = a->status;
	f->reason = a->reason;
	f->ad = a->ad;
	f->dropped = a->dropped;
	target_set_copy(&f->set, &a->srv);
}

/* Of the set's room only what is used; the names stay where they are. */
static inline void
dns_fact_copy(struct dns_fact *to, const struct dns_fact *from)
{
	to->status = from->status;
	to->reason = from->reason;
	to->ad = from->ad;
	to->dropped = from->dropped;
	target_set_copy(&to->set, &from->set);
}

#endif
