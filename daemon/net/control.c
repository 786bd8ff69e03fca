#include "net/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "acceptor.h"
#include "net/log.h"
#include "watch.h"

#define CLIENTS_MAX 16
#define WHOLE_ANSWER 6 /* times the timeout; a page of it may be read meanwhile */

struct control_client {
	LIST_ENTRY(control_client) entry;
	struct control *control;
	int fd;
	struct watch watch;
	struct monotime deadline; /* for the whole command, then for the whole answer */
	size_t len;               /* of the line so far */
	char line[COMMAND_MAX];
	struct command *command; /* NULL: none is pending */
	FILE *text;              /* of the answer; it grows in memory */
	char *data;
	size_t size;
	size_t headlen, sent;
	char head[32];
};

struct control {
	struct acceptor socket;
	struct control_config config;
	LIST_HEAD(, control_client) clients;
	size_t count;
};

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
	if (c->command != NULL)
		command_cancel(c->command);
	watch_stop(&c->watch);
	close(c->fd);
	if (c->text != NULL)
		fclose(c->text);
	free(c->data);
	explicit_bzero(c->line, sizeof(c->line));
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

/* Sends the text. The client may be gone after it. */
static void
answer(struct control_client *c, bool good)
{
	good = !ferror(c->text) && good;
	good = fclose(c->text) == 0 && good;
	c->text = NULL;
	c->headlen = (size_t)snprintf(
		c->head, sizeof(c->head), "%s %zu\n", good ? "ok" : "error", c->size);
	set_deadline(c, WHOLE_ANSWER);
	send_more(c->fd, EV_WRITE, c);
}

/* Commands */

static void
command_ended(void *arg, enum command_status status)
{
	struct control_client *c = arg;

	c->command = NULL;
	answer(c, status == COMMAND_OK);
}

static void
run_command(struct control_client *c)
{
	const struct command_request request = {
		.line = c->line, .out = c->text, .done = command_ended, .arg = c};
	enum command_status status =
		command_start(&c->control->config.commands, &request, &c->command);

	if (status != COMMAND_PENDING)
		answer(c, status == COMMAND_OK);
}

static void
read_command(evutil_socket_t fd, short what, void *arg)
{
	struct control_client *c = arg;
	size_t room = sizeof(c->line) - c->len;
	ssize_t n;
	char *end;

	if (what & EV_TIMEOUT) {
		time_out(c);
		return;
	}
	n = recv(fd, c->line + c->len, room, 0);
	if (n < 0 && errno == EAGAIN) {
		wait_for(c, EV_READ, read_command);
		return;
	}
	if (n <= 0) {
		client_free(c);
		return;
	}
	c->len += (size_t)n;
	if ((end = memchr(c->line, '\n', c->len)) != NULL) {
		*end = '\0';
		watch_stop(&c->watch);
		run_command(c);
	} else if (c->len == sizeof(c->line)) {
		fprintf(c->text, "the command is too long\n");
		answer(c, false);
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
