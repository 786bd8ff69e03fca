/* How long one client may wait for names that are never answered. A mail server asks for
 * one name after the other on one connection, so each such name holds up all of its mail.
 *
 * A missed deadline takes what was waited; an answer in time gives a tenth of a deadline
 * back, and time a hundredth of itself. As long as the budget is less than a deadline,
 * the client's deadline is BUDGET_SHORT_MS. */
#ifndef CORE_BUDGET_H
#define CORE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/monotime.h"

#define BUDGET_DEADLINES 4   /* that may be missed at first */
#define BUDGET_SHORT_MS 50   /* what most names that are answered at all take at most */
#define BUDGET_MET_PART 10   /* of a deadline, for an answer in time */
#define BUDGET_TIME_PART 100 /* of the time that passes */

/* All zeros is one without limit. */
struct budget {
	int64_t deadline_ns;   /* of its client; 0: no limit */
	int64_t left_ns;       /* from 0 to BUDGET_DEADLINES deadlines */
	struct monotime grown; /* up to when time has been added */
	struct monotime paid;  /* up to when waiting has been taken off */
};

/* A full one, for a client whose deadline is deadline_ms. */
void budget_open(struct budget *budget, int64_t deadline_ms, struct monotime now);

/* May the client wait for a whole deadline? */
bool budget_allows(struct budget *budget, struct monotime now);

/* A question of the client has missed its deadline, or was met. Questions that wait at
 * the same time are paid for once. since: when the question came. */
void budget_missed(struct budget *budget, struct monotime since, struct monotime now);
void budget_met(struct budget *budget);

#endif
