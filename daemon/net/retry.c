#include "retry.h"

#include <stdint.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void
arm(const struct retry_list *list, bool on)
{
	const long ns = on ? RETRY_EVERY_MS * 1000000L : 0;
	const struct itimerspec every = {
		.it_value = {.tv_nsec = ns}, .it_interval = {.tv_nsec = ns}};

	timerfd_settime(list->timer, 0, &every, NULL);
}

/* No code of others runs here, so the list changes by this alone. */
static void
try_all(evutil_socket_t fd, short what, void *arg)
{
	struct retry_list *list = arg;
	struct retry *r, *next;
	uint64_t times;

	(void)what;
	(void)!read(fd, &times, sizeof(times));
	for (r = LIST_FIRST(&list->waiting); r != NULL; r = next) {
		next = LIST_NEXT(r, entry);
		if (r->again(r))
			retry_remove(r);
	}
	if (LIST_EMPTY(&list->waiting))
		arm(list, false);
}

bool
retry_open(struct retry_list *list, struct event_base *base)
{
	LIST_INIT(&list->waiting);
	list->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (list->timer < 0)
		return false;
	event_assign(
		&list->event, base, list->timer, EV_READ | EV_PERSIST, try_all, list);
	if (event_add(&list->event, NULL) == 0)
		return true;
	close(list->timer);
	return false;
}

void
retry_close(struct retry_list *list)
{
	event_del(&list->event);
	close(list->timer);
}

void
retry_add(struct retry_list *list, struct retry *r, bool (*again)(struct retry *retry))
{
	if (LIST_EMPTY(&list->waiting))
		arm(list, true);
	r->again = again;
	r->waits = true;
	LIST_INSERT_HEAD(&list->waiting, r, entry);
}

void
retry_remove(struct retry *r)
{
	if (r->waits)
		LIST_REMOVE(r, entry);
	r->waits = false;
}
