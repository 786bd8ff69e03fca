/* Signals. Their handlers run in the loop, not in the context of a signal. */
#ifndef NET_SIGNALS_H
#define NET_SIGNALS_H

#include <stdbool.h>

#include "net/loop.h"

#define SIGNALS_MAX 8

struct signals;

/* loop must outlive it. NULL on failure, logged. */
struct signals *signals_new(struct loop *loop);

/* Has handler(arg) called for each signal of this number, from now on. At most
 * SIGNALS_MAX times. False on failure. */
bool signals_handle(
	struct signals *signals, int number, void (*handler)(void *arg), void *arg);

/* No signal is handled any more. NULL is legal. */
void signals_free(struct signals *signals);

#endif
