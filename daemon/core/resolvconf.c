#include "core/resolvconf.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define KEYWORD "nameserver"
#define KEYWORD_LEN (sizeof(KEYWORD) - 1)
#define BOM "\xef\xbb\xbf"
#define BOM_LEN (sizeof(BOM) - 1)

/* A line, or a piece of one. */
struct span {
	const char *p, *end;
};

static size_t
length(struct span s)
{
	return (size_t)(s.end - s.p);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct span
skip_blanks(struct span s)
{
	while (s.p < s.end && is_blank(*s.p))
		s.p++;
	return s;
}

/* The line at the beginning of the rest. A NUL ends what glibc sees of it. */
static struct span
next_line(struct span *rest)
{
	const char *newline = memchr(rest->p, '\n', length(*rest));
	struct span line = {rest->p, newline != NULL ? newline : rest->end};
	const char *nul = memchr(line.p, '\0', length(line));

	rest->p = newline != NULL ? newline + 1 : rest->end;
	if (nul != NULL)
		line.end = nul;
	return line;
}

static bool
is_nameserver(struct span line)
{
	return length(line) > KEYWORD_LEN && memcmp(line.p, KEYWORD, KEYWORD_LEN) == 0 &&
	       is_blank(line.p[KEYWORD_LEN]);
}

/* Does it look like one to a person? */
static bool
resembles_nameserver(struct span line)
{
	if (length(line) >= BOM_LEN && memcmp(line.p, BOM, BOM_LEN) == 0)
		line.p += BOM_LEN;
	line = skip_blanks(line);
	return length(line) >= KEYWORD_LEN &&
	       strncasecmp(line.p, KEYWORD, KEYWORD_LEN) == 0;
}

/* glibc reads IPv4 by the rules of inet_aton(), but for what this accepts at the end:
 * white space, and whatever follows that. */
static bool
parse_ipv4(const char *text, uint8_t ip[16])
{
	struct in_addr in;

	if (text[strcspn(text, "\r\v\f")] != '\0' || inet_aton(text, &in) == 0)
		return false;
	memcpy(ip, &in, sizeof(in));
	return true;
}

static void
copy_zone(char to[RESOLVCONF_ZONE], struct span zone)
{
	size_t len = length(zone);

	if (len >= RESOLVCONF_ZONE)
		len = RESOLVCONF_ZONE - 1;
	memcpy(to, zone.p, len);
	to[len] = '\0';
}

/* The word behind the keyword; what follows it is ignored. No address has 128 bytes. */
static bool
parse_server(struct span word, struct resolvconf_server *server)
{
	const char *percent = memchr(word.p, '%', length(word));
	struct span host = {word.p, percent != NULL ? percent : word.end};
	char text[128];

	*server = (struct resolvconf_server){0};
	if (length(host) >= sizeof(text))
		return false;
	memcpy(text, host.p, length(host));
	text[length(host)] = '\0';
	if (percent == NULL && parse_ipv4(text, server->ip)) {
		server->family = AF_INET;
		return true;
	}
	server->family = AF_INET6;
	if (percent != NULL)
		copy_zone(server->zone, (struct span){percent + 1, word.end});
	return inet_pton(AF_INET6, text, server->ip) == 1;
}

static struct span
argument(struct span line)
{
	struct span word;

	line.p += KEYWORD_LEN;
	word = skip_blanks(line);
	line.p = word.p;
	while (line.p < line.end && !is_blank(*line.p))
		line.p++;
	word.end = line.p;
	return word;
}

void
resolvconf_unusable(struct resolvconf_unusable *u, size_t line, const char *why)
{
	if (u->lines++ == 0 || line < u->first) {
		u->first = line;
		u->why = why;
	}
}

void
resolvconf_parse(const char *text, size_t len, struct resolvconf_text *out)
{
	static const char not_keyword[] =
		"expected \"nameserver\" at the very start, and "
		"a blank";
	static const char not_address[] = "expected a numeric IP address";
	struct span rest = {text, text + len};
	struct resolvconf_server server;

	*out = (struct resolvconf_text){0};
	for (size_t number = 1; rest.p < rest.end; number++) {
		struct span line = next_line(&rest);

		if (!is_nameserver(line)) {
			if (resembles_nameserver(line))
				resolvconf_unusable(&out->unusable, number, not_keyword);
		} else if (!parse_server(argument(line), &server)) {
			resolvconf_unusable(&out->unusable, number, not_address);
		} else if (out->n < RESOLVCONF_SERVERS) {
			server.line = number;
			out->server[out->n++] = server;
		}
	}
}
