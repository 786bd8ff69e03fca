#include "core/dialogue.h"

#include <string.h>
#include <strings.h>

#define HANDSHAKE 0x16 /* RFC 8446 section 5.1: TLS begins with it, on both sides */

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

/* RFC 3207 section 4: behind a reply 220 to it, TLS begins. The first reply is the
 * greeting: a command that came before it (Exim's PIPE_CONNECT) still waits for its own.
 */
static void
end_line(struct dialogue *d)
{
	memcpy(d->last, d->line, sizeof(d->last));
	memset(d->line, 0, sizeof(d->line));
	d->len = 0;
	if (d->last[3] == '-')
		return;
	d->owed -= d->greeted && d->owed > 0;
	d->greeted = true;
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

/* RFC 3030 section 2: so many bytes of a message follow "BDAT SIZE", whatever the server
 * replies. */
static uint64_t
chunk_size(const char *line, size_t len)
{
	uint64_t size = 0;

	if (len < 5 || strncasecmp(line, "BDAT ", 5) != 0)
		return 0;
	for (size_t i = 5; i < len && line[i] >= '0' && line[i] <= '9'; i++)
		size = size * 10 + (uint64_t)(line[i] - '0');
	return size;
}

static void
end_command(struct dialogue *d)
{
	d->starttls = is_starttls(d->command, d->commandlen);
	d->chunk = chunk_size(d->command, d->commandlen);
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

/* Reads a line, or what there is of a line or a chunk. Returns where it ends. */
static const char *
read_line(struct dialogue *d, const char *data, const char *end)
{
	const size_t left = (size_t)(end - data);
	const char *newline;

	if (d->chunk > 0) {
		const size_t n = d->chunk < left ? (size_t)d->chunk : left;

		d->chunk -= n;
		return data + n;
	}
	newline = memchr(data, '\n', left);
	for (const char *p = data; p < end && p != newline; p++) {
		if (d->commandlen == sizeof(d->command))
			break;
		d->command[d->commandlen++] = *p;
	}
	if (newline == NULL)
		return end;
	end_command(d);
	return newline + 1;
}

void
dialogue_client(struct dialogue *d, const char *data, size_t len)
{
	const char *end = data + len;

	if (len > 0 && !d->client_spoke && d->last[0] == '\0' && *data == HANDSHAKE)
		d->tls = true;
	d->client_spoke = true;
	if (d->tls || d->unlike || len == 0)
		return;
	if (is_last(d, "354"))
		skip_text(d, data, len);
	else
		while (data < end)
			data = read_line(d, data, end);
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
	/* A server that ends by it, while other replies are awaited, is only lost. */
	return is_last(d, "221") && !d->in_line && d->owed == 0 ? DIALOGUE_OVER
								: DIALOGUE_SMTP;
}

bool
dialogue_in_line(const struct dialogue *d)
{
	return d->in_line;
}

unsigned
dialogue_owed(const struct dialogue *d)
{
	if (!d->greeted)
		return d->owed + 1;
	return d->owed > 0 || is_last(d, "421") ? d->owed : 1;
}
