/* What a file yields is within its limits, and is read again from the lines that
 * resolv.conf(5) has for it. */
#include "fuzz.h"

#include <arpa/inet.h>

#include "core/resolvconf.h"

#define LINE_ROOM (sizeof("nameserver %\n") + INET6_ADDRSTRLEN + RESOLVCONF_ZONE)

static size_t
count_lines(const uint8_t *data, size_t size)
{
	size_t lines = size > 0 && data[size - 1] != '\n';

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	return lines;
}

static void
check_unusable(const struct resolvconf_text *found, size_t lines)
{
	const struct resolvconf_unusable *u = &found->unusable;

	require(u->lines + found->n <= lines);
	require((u->lines > 0) == (u->why != NULL));
	require((u->lines > 0) == (u->first > 0));
	require(u->lines == 0 || u->first + u->lines - 1 <= lines);
	for (size_t i = 0; i < found->n; i++)
		require(found->server[i].line != u->first);
}

static void
check_servers(const struct resolvconf_text *found, size_t lines)
{
	size_t before = 0;

	require(found->n <= RESOLVCONF_SERVERS);
	for (size_t i = 0; i < found->n; i++) {
		const struct resolvconf_server *s = &found->server[i];

		require(s->family == AF_INET || s->family == AF_INET6);
		require(memchr(s->zone, '\0', sizeof(s->zone)) != NULL);
		require(strpbrk(s->zone, " \t\n") == NULL);
		require(s->zone[0] == '\0' || s->family == AF_INET6);
		require(s->line > before && s->line <= lines);
		before = s->line;
	}
}

static size_t
write_lines(const struct resolvconf_text *found, char *out)
{
	char ip[INET6_ADDRSTRLEN], *p = out;

	for (size_t i = 0; i < found->n; i++) {
		const struct resolvconf_server *s = &found->server[i];

		require(inet_ntop(s->family, s->ip, ip, sizeof(ip)) != NULL);
		p += sprintf(p, "nameserver %s%s%s\n", ip, s->zone[0] != '\0' ? "%" : "",
			s->zone);
	}
	return (size_t)(p - out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct resolvconf_text found, again;
	char lines[RESOLVCONF_SERVERS * LINE_ROOM];
	char *copy = fuzz_alloc(size);

	memcpy(copy, data, size);
	resolvconf_parse(copy, size, &found);
	free(copy);
	check_servers(&found, count_lines(data, size));
	check_unusable(&found, count_lines(data, size));
	resolvconf_parse(lines, write_lines(&found, lines), &again);
	require(again.n == found.n && again.unusable.lines == 0);
	for (size_t i = 0; i < found.n; i++) {
		require(again.server[i].family == found.server[i].family);
		require(memcmp(again.server[i].ip, found.server[i].ip, 16) == 0);
		require(strcmp(again.server[i].zone, found.server[i].zone) == 0);
	}
	return 0;
}
