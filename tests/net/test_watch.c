/* What the loop waits for, while the kernel or the memory refuses it. */
#include "shell.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../daemon/net/ticker.h"
#include "../../daemon/net/watch.h"
#include "net/signals.h"

static struct loop *loop;
static unsigned calls;
static short came;

static void
called(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	assert_ptr_equal(arg, &calls);
	calls++;
	came = what;
}

static void
begin(void)
{
	memset(&faults, 0, sizeof(faults));
	calls = 0;
	came = 0;
	loop = loop_new();
	assert_non_null(loop);
	log_capture(); /* libevent's warnings */
}

static void
end(void)
{
	log_taken();
	loop_free(loop);
}

static void
a_refused_descriptor_is_watched_later(void **state)
{
	int fd = eventfd(1, EFD_NONBLOCK);
	struct watch w;

	(void)state;
	for (int by_kernel = 0; by_kernel <= 1; by_kernel++) {
		begin();
		watch_init(&w, loop, fd, EV_READ, called, &calls);
		*(by_kernel ? &faults.nth_epoll_ctl : &faults.nth_event_add) = 1;
		watch_insist(&w, WATCH_NO_LIMIT);
		assert_int_equal(faults.event_adds, 1);
		assert_true(watch_is_on(&w));
		WAIT_UNTIL(loop, calls == 1);
		assert_int_equal(came, EV_READ);
		assert_false(watch_is_on(&w));
		watch_stop(&w);
		end();
	}
	close(fd);
}

static void
a_time_comes_without_memory(void **state)
{
	struct watch w;

	(void)state;
	begin();
	faults.event_add = true;
	watch_init_timer(&w, loop, called, &calls);
	watch_insist(&w, 100);
	WAIT_UNTIL(loop, calls == 1);
	assert_int_equal(came, EV_TIMEOUT);
	run_ready(loop);
	assert_int_equal(calls, 1);
	assert_false(watch_is_on(&w));
	watch_stop(&w);
	end();
}

/* Nor too early, when there is memory again before it is over. */
static void
a_refused_time_keeps_its_end(void **state)
{
	struct monotime from = loop_now();
	struct watch w;

	(void)state;
	begin();
	faults.nth_event_add = 1;
	watch_init_timer(&w, loop, called, &calls);
	watch_insist(&w, 3 * RETRY_EVERY_MS);
	WAIT_UNTIL(loop, calls == 1);
	assert_true(monotime_diff_ms(loop_now(), from) >= 3 * RETRY_EVERY_MS - 10);
	assert_int_equal(faults.event_adds, 1);
	watch_stop(&w);
	end();
}

static void
what_may_fail_says_so(void **state)
{
	struct watch w;
	int fd = eventfd(1, EFD_NONBLOCK);

	(void)state;
	begin();
	watch_init(&w, loop, fd, EV_READ, called, &calls);
	faults.nth_epoll_ctl = 1;
	assert_false(watch_start(&w, 1000));
	assert_false(watch_is_on(&w));
	run_ready(loop);
	assert_int_equal(calls, 0);
	assert_true(watch_start(&w, 1000));
	WAIT_UNTIL(loop, calls == 1);
	watch_stop(&w);
	close(fd);
	end();
}

static void
a_stopped_watch_isnt_tried_again(void **state)
{
	struct watch a, b, never = {0};
	struct monotime until;

	(void)state;
	begin();
	faults.event_add = true;
	watch_init_timer(&a, loop, called, &calls);
	watch_init_timer(&b, loop, called, &calls);
	watch_insist(&a, 0);
	watch_insist(&b, 0);
	watch_insist(&a, 0);
	watch_stop(&a);
	watch_stop(&a);
	watch_stop(&never);
	WAIT_UNTIL(loop, calls == 1);
	watch_insist(&b, 0);
	watch_fire(&b);
	watch_stop(&b);
	until = monotime_add_ms(loop_now(), 3 * RETRY_EVERY_MS);
	WAIT_UNTIL(loop, monotime_reached(until, loop_now()));
	assert_int_equal(calls, 1);
	end();
}

static void
count_tick(void *arg)
{
	++*(unsigned *)arg;
}

static void
a_ticker_goes_on_without_memory(void **state)
{
	struct ticker t = {0};

	(void)state;
	begin();
	ticker_stop(&t);
	faults.event_add = true;
	ticker_start(&t, loop, 10, count_tick, &calls);
	WAIT_UNTIL(loop, calls == 3);
	faults.event_add = false;
	WAIT_UNTIL(loop, calls == 6);
	faults.nth_event_add = 2;
	WAIT_UNTIL(loop, calls == 10);
	ticker_stop(&t);
	run_ready(loop);
	assert_int_equal(calls, 10);
	end();
}

static void
a_signal_is_refused_at_the_start(void **state)
{
	struct signals *signals;

	(void)state;
	begin();
	assert_non_null(signals = signals_new(loop));
	faults.event_add = true;
	assert_false(signals_handle(signals, SIGUSR2, count_tick, &calls));
	faults.event_add = false;
	assert_true(signals_handle(signals, SIGUSR2, count_tick, &calls));
	raise(SIGUSR2);
	WAIT_UNTIL(loop, calls == 1);
	signals_free(signals);
	end();
}

static void
without_its_timer_there_is_no_loop(void **state)
{
	unsigned files = open_files();

	(void)state;
	memset(&faults, 0, sizeof(faults));
	log_capture();
	faults.event_add = true;
	assert_null(loop_new());
	assert_int_equal(count_words(log_taken(), "can't make an event loop"), 1);
	faults.event_add = false;
	assert_int_equal(open_files(), files);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_descriptor_is_watched_later),
		cmocka_unit_test(a_time_comes_without_memory),
		cmocka_unit_test(a_refused_time_keeps_its_end),
		cmocka_unit_test(what_may_fail_says_so),
		cmocka_unit_test(a_stopped_watch_isnt_tried_again),
		cmocka_unit_test(a_ticker_goes_on_without_memory),
		cmocka_unit_test(a_signal_is_refused_at_the_start),
		cmocka_unit_test(without_its_timer_there_is_no_loop),
	};

	return cmocka_run_group_tests_name("net/watch", tests, NULL, NULL);
}
