#include "net/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_inside.h"
#include "net/log.h"

#define CLIENTS_MAX 16
#define WHOLE_ANSWER 6 /* times the timeout; a page of it may be read meanwhile */

static struct control_client *
client_new(void)
{
	struct control_client *c = calloc(1, sizeof(*c));

	if (c == NULL || (c->text = open_memstream(&c->data, &c->size)) != NULL)
		return c;
	free(c);
	return NULL;
}

static void
client_free(struct control_client *c)
{
	command_cancel(c);
	watch_stop(&c->watch);
	close(c->fd);
	if (c->text != NULL)
		fclose(c->text);
	free(c->data);
	explicit_bzero(c->command, sizeof(c->command));
	LIST_REMOVE(c, entry);
	c->control->count--;
	free(c);
}

static void
time_out(struct control_client *c)
{
	c->control->config.counters->clients_timed_out++;
	client_free(c);
}

static void
set_deadline(struct control_client *c, int timeouts)
{
	int64_t ms = (int64_t)timeouts * c->control->config.timeout_ms;

	c->deadline = monotime_add_ms(loop_now(), ms);
}

/* Not for longer than the timeout, nor than the deadline, which no progress moves. The
 * client may be gone after it. */
static void
wait_for(struct control_client *c, short what, event_callback_fn then)
{
	int64_t left = monotime_diff_ms(c->deadline, loop_now());
	int64_t timeout = c->control->config.timeout_ms;

	watch_stop(&c->watch);
	watch_init(&c->watch, c->control->config.loop, c->fd, what, then, c);
	if (!watch_start(&c->watch, left < timeout ? left : timeout))
		client_free(c);
}

/* Answers */

void
control_print(struct control_client *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vfprintf(c->text, format, args) < 0)
		c->failed = true;
	va_end(args);
}

/* What is left of the head, and then of the text. */
static ssize_t
send_some(struct control_client *c)
{
	if (c->sent < c->headlen)
		return send(c->fd, c->head + c->sent, c->headlen - c->sent,
			MSG_NOSIGNAL | MSG_MORE);
	return send(c->fd, c->data + (c->sent - c->headlen),
		c->headlen + c->size - c->sent, MSG_NOSIGNAL);
}

static void
send_more(evutil_socket_t fd, short what, void *arg)
{
	struct control_client *c = arg;
	const size_t all = c->headlen + c->size;
	ssize_t n = 0;

	(void)fd;
	if (what & EV_TIMEOUT) {
		time_out(c);
		return;
	}
	while (c->sent < all && (n = send_some(c)) > 0)
		c->sent += (size_t)n;
	if (c->sent < all && n < 0 && errno == EAGAIN)
		wait_for(c, EV_WRITE, send_more);
	else
		client_free(c);
}

void
control_answer(struct control_client *c)
{
	if (fclose(c->text) != 0)
		c->failed = true;
	c->text = NULL;
	c->headlen = (size_t)snprintf(c->head, sizeof(c->head), "%s %zu\n",
		c->failed ? "error" : "ok", c->size);
	set_deadline(c, WHOLE_ANSWER);
	send_more(c->fd, EV_WRITE, c);
}

/* Commands */

static void
read_command(evutil_socket_t fd, short what, void *arg)
{
	struct control_client *c = arg;
	size_t room = sizeof(c->command) - c->len;
	ssize_t n;
	char *end;

	if (what & EV_TIMEOUT) {
		time_out(c);
		return;
	}
	n = recv(fd, c->command + c->len, room, 0);
	if (n < 0 && errno == EAGAIN) {
		wait_for(c, EV_READ, read_command);
		return;
	}
	if (n <= 0) {
		client_free(c);
		return;
	}
	c->len += (size_t)n;
	if ((end = memchr(c->command, '\n', c->len)) != NULL) {
		*end = '\0';
		watch_stop(&c->watch);
		command_run(c, c->command);
	} else if (c->len == sizeof(c->command)) {
		c->failed = true;
		control_print(c, "the command is too long\n");
		control_answer(c);
	} else {
		wait_for(c, EV_READ, read_command);
	}
}

static void
serve(void *arg, int fd)
{
	struct control *control = arg;
	struct control_client *c;

	if (control->count >= CLIENTS_MAX || (c = client_new()) == NULL) {
		control->config.counters->clients_refused++;
		close(fd);
		return;
	}
	c->control = control;
	c->fd = fd;
	LIST_INSERT_HEAD(&control->clients, c, entry);
	control->count++;
	set_deadline(c, 1);
	wait_for(c, EV_READ, read_command);
}

/* The whole */

struct control *
control_open(const struct listener_config *config)
{
	struct control *control = calloc(1, sizeof(*control));

	if (control == NULL)
		log_error("control");
	else if (acceptor_open(&control->socket, config))
		return control;
	free(control);
	return NULL;
}

void
control_start(struct control *control, const struct control_config *config)
{
	struct acceptor_user user = {
		.accepted = serve, .arg = control, .counters = config->counters};

	control->config = *config;
	acceptor_start(&control->socket, config->loop, &user);
}

void
control_close(struct control *control)
{
	if (control == NULL)
		return;
	while (!LIST_EMPTY(&control->clients))
		// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
		client_free(LIST_FIRST(&control->clients));
	acceptor_close(&control->socket);
	free(control);
}
