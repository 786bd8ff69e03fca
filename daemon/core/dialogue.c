#include "core/dialogue.h"

#include <string.h>
#include <strings.h>

#define HANDSHAKE 0x16 /* RFC 8446 section 5.1: TLS begins with it, on both sides */
#define BULK 4096      /* as much at once is a message's text, whatever introduced it */

/* The server */

/* "250 " or "250-", as far as it is there. A line can end behind the digits. */
static bool
is_like_a_reply(const char *line, size_t len)
{
	for (size_t i = 0; i < len && i < 3; i++)
		if (line[i] < '0' || line[i] > '9')
			return false;
	return len < 4 || line[3] == ' ' || line[3] == '-' || line[3] == '\r';
}

static bool
is_last(const struct dialogue *d, const char *code)
{
	return memcmp(d->last, code, 3) == 0 && d->last[3] != '-';
}

/* RFC 3207 section 4: behind a reply 220 to it, TLS begins. */
static void
end_line(struct dialogue *d)
{
	memcpy(d->last, d->line, sizeof(d->last));
	memset(d->line, 0, sizeof(d->line));
	d->len = 0;
	if (d->last[3] == '-')
		return;
	d->owed -= d->owed > 0;
	d->tls = d->starttls && is_last(d, "220");
}

void
dialogue_server(struct dialogue *d, const char *data, size_t len)
{
	const char *end = data + len, *newline;

	if (len > 0 && d->last[0] == '\0' && d->len == 0 && *data == HANDSHAKE)
		d->tls = true;
	while (data < end && !d->unlike && !d->tls) {
		newline = memchr(data, '\n', (size_t)(end - data));
		for (const char *p = data; p < end && p != newline && d->len < 4; p++)
			d->line[d->len++] = *p;
		d->unlike = !is_like_a_reply(d->line, d->len) ||
			    (newline != NULL && d->len < 3);
		d->in_line = newline == NULL;
		if (newline == NULL)
			return;
		end_line(d);
		data = newline + 1;
	}
}

/* The client */

static bool
is_starttls(const char *line, size_t len)
{
	return len >= 8 && strncasecmp(line, "STARTTLS", 8) == 0 &&
	       (len == 8 || line[8] == '\r' || line[8] == ' ');
}

static void
end_command(struct dialogue *d)
{
	d->starttls = is_starttls(d->command, d->commandlen);
	d->owed += d->owed < DIALOGUE_OWED_MAX;
	d->commandlen = 0;
}

/* A line that is under way at its end is no command. */
static void
skip_text(struct dialogue *d, const char *data, size_t len)
{
	d->starttls = false;
	d->command[0] = '\0';
	d->commandlen = data[len - 1] == '\n' ? 0 : sizeof(d->command);
}

void
dialogue_client(struct dialogue *d, const char *data, size_t len)
{
	const char *end = data + len, *newline;

	if (len > 0 && !d->client_spoke && d->last[0] == '\0' && *data == HANDSHAKE)
		d->tls = true;
	d->client_spoke = true;
	if (d->tls || d->unlike || len == 0)
		return;
	if (len > BULK || is_last(d, "354")) {
		skip_text(d, data, len);
		return;
	}
	while (data < end) {
		newline = memchr(data, '\n', (size_t)(end - data));
		for (const char *p = data; p < end && p != newline; p++) {
			if (d->commandlen == sizeof(d->command))
				break;
			d->command[d->commandlen++] = *p;
		}
		if (newline == NULL)
			return;
		end_command(d);
		data = newline + 1;
	}
}

/* Both */

enum dialogue_state
dialogue_state(const struct dialogue *d)
{
	/* Half of the reply that begins TLS may be understood as the whole. */
	if (d->tls || (d->starttls && d->in_line && memcmp(d->line, "220", 3) == 0))
		return DIALOGUE_TLS;
	if (d->unlike)
		return DIALOGUE_OTHER;
	return is_last(d, "221") && !d->in_line ? DIALOGUE_OVER : DIALOGUE_SMTP;
}

bool
dialogue_in_line(const struct dialogue *d)
{
	return d->in_line;
}

unsigned
dialogue_owed(const struct dialogue *d)
{
	return d->owed > 0 || is_last(d, "421") ? d->owed : 1;
}
