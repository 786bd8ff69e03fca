/* The timer that keeps the engine's deadlines. */
#ifndef NET_ENGINE_TIMER_H
#define NET_ENGINE_TIMER_H

#include "flow/lookup.h"
#include "net/loop.h"

struct engine_timer;

/* loop and engine must outlive the timer. NULL on failure, logged. */
struct engine_timer *engine_timer_new(struct loop *loop, struct engine *engine);

/* The engine's next deadline may have come nearer: engine_expire() will be called by
 * then. May be called from inside the engine, as struct engine_ports says of its alarm.
 */
void engine_timer_update(struct engine_timer *timer);

/* No deadline is kept any more. NULL is legal. */
void engine_timer_free(struct engine_timer *timer);

#endif
