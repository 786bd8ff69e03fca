#include "net/loop.h"

#include <stdlib.h>
#include <time.h>

#include "loop_base.h"
#include "net/log.h"
#include "retry.h"

struct loop {
	struct event_base *base;
	struct retry_list retries;
};

static void
log_libevent(int severity, const char *message)
{
	if (severity >= EVENT_LOG_WARN)
		log_warnx("libevent: %s", message);
}

/* The environment is none of its business: it could choose poll(2), or a list of changes,
 * by which events fail later than they are added. NULL on failure. */
static struct event_base *
new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config == NULL)
		return NULL;
	if (event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV) == 0)
		base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

/* Its timers are off by a few milliseconds, both ways. Precise ones would cost another
 * system call for each time round the loop. */
struct loop *
loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	event_set_log_callback(log_libevent);
	if (loop != NULL && (loop->base = new_base()) != NULL) {
		if (retry_open(&loop->retries, loop->base))
			return loop;
		event_base_free(loop->base);
	}
	log_errorx("can't make an event loop");
	free(loop);
	return NULL;
}

void
loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	retry_close(&loop->retries);
	event_base_free(loop->base);
	free(loop);
}

struct event_base *
loop_base(struct loop *loop)
{
	return loop->base;
}

struct retry_list *
loop_retries(struct loop *loop)
{
	return &loop->retries;
}

void
loop_run(struct loop *loop)
{
	event_base_dispatch(loop->base);
}

void
loop_stop(struct loop *loop)
{
	event_base_loopbreak(loop->base);
}

struct monotime
loop_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (struct monotime){(int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec};
}
