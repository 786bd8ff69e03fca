/* How far a long job has come, for who waits at a terminal:
 *
 *	[########            ]  42 %
 *
 * Elsewhere standard error stays as it is. */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* All zeros: nothing is shown. */
struct progress {
	bool wanted;
	bool shown;
	unsigned percent;
};

void progress_start(struct progress *);

/* done of total, of whatever it is. Cheap if little has changed. */
void progress_show(struct progress *, uint64_t done, uint64_t total);

/* Takes the line away: before anything else is written there, and at the end. errno stays
 * as it is. */
void progress_clear(struct progress *);

#endif
