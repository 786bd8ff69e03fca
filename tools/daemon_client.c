#include "daemon_client.h"

#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/onionmxd/control.sock"
#define COMMAND_MAX 512
#define LIMIT_S 20 /* an explanation takes two lookups of 4 s at most */

static int
connect_to(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const struct timeval limit = {.tv_sec = LIMIT_S};
	int fd;

	if (strlen(path) >= sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(un.sun_path, path);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Nothing that a terminal would obey. */
static void
print(const char *text, size_t len, FILE *to)
{
	for (size_t i = 0; i < len; i++)
		putc((text[i] >= ' ' && text[i] <= '~') || text[i] == '\n' ? text[i]
									   : '?',
			to);
}

/* "ok LENGTH" or "error LENGTH", and so much text. Anything else is a cut answer. */
static enum exit_status
copy_answer(const char *path, FILE *from)
{
	char word[8], text[4096];
	size_t left, want, n;
	bool ok;

	if (fscanf(from, "%7s %zu", word, &left) != 2 || getc(from) != '\n') {
		warnx("%s: no answer", path);
		return STATUS_NO_ANSWER;
	}
	ok = strcmp(word, "ok") == 0;
	if (!ok && strcmp(word, "error") != 0) {
		warnx("%s: no answer", path);
		return STATUS_NO_ANSWER;
	}
	for (; left > 0; left -= n) {
		want = left < sizeof(text) ? left : sizeof(text);
		n = fread(text, 1, want, from);
		print(text, n, ok ? stdout : stderr);
		if (n < want) {
			warnx("%s: the answer is cut off", path);
			return STATUS_NO_ANSWER;
		}
	}
	if (ok && (fflush(stdout) != 0 || ferror(stdout))) {
		warn("standard output");
		return STATUS_NO_ANSWER;
	}
	return ok ? STATUS_OK : STATUS_ERRORS;
}

static enum exit_status
ask(const struct arguments *args, const char *command)
{
	const char *path = args->socket != NULL ? args->socket : DEFAULT_SOCKET;
	int fd = connect_to(path);
	size_t len = strlen(command);
	enum exit_status st;
	FILE *from;

	if (fd < 0 || send(fd, command, len, MSG_NOSIGNAL) != (ssize_t)len ||
		(from = fdopen(fd, "r")) == NULL) {
		warn("%s", path);
		if (fd >= 0)
			close(fd);
		return STATUS_NO_ANSWER;
	}
	st = copy_answer(path, from);
	fclose(from);
	return st;
}

/* A command and its argument, which may be no two lines. */
static enum exit_status
ask_for(const struct arguments *args, const char *command, const char *argument)
{
	char line[COMMAND_MAX];
	int n = snprintf(line, sizeof(line), "%s%s%s\n", command,
		argument == NULL ? "" : " ", argument == NULL ? "" : argument);

	if (n < 0 || (size_t)n >= sizeof(line) || strchr(line, '\n')[1] != '\0') {
		warnx("%s: expected a domain or an address, in one line of less than %d "
		      "bytes",
			command, COMMAND_MAX);
		return STATUS_USAGE;
	}
	return ask(args, line);
}

enum exit_status
command_explain(const struct arguments *args)
{
	return ask_for(args, "explain", args->operand[0]);
}

enum exit_status
command_counters(const struct arguments *args)
{
	return ask_for(args, "counters", NULL);
}

enum exit_status
command_pin(const struct arguments *args)
{
	static const struct {
		const char *name, *command;
		int operands;
	} kinds[] = {{"list", "pins", 1}, {"held", "held", 1}, {"accept", "accept", 2}};
	const char *unexpected = args->operand[0];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(args->operand[0], kinds[i].name) != 0)
			continue;
		if (args->n == kinds[i].operands)
			return ask_for(args, kinds[i].command, args->operand[1]);
		unexpected = args->operand[1];
	}
	if (unexpected == NULL)
		warnx("pin accept: a domain is missing");
	else
		warnx("pin: unexpected argument %s: expected list, held or accept "
		      "DOMAIN",
			unexpected);
	return STATUS_USAGE;
}
