#include "core/replies.h"

#include <string.h>

/* "250 " or "250-", as far as it is there. A line can end behind the digits. */
static bool
is_like_a_reply(const char *line, size_t len)
{
	for (size_t i = 0; i < len && i < 3; i++)
		if (line[i] < '0' || line[i] > '9')
			return false;
	return len < 4 || line[3] == ' ' || line[3] == '-' || line[3] == '\r';
}

void
replies_feed(struct replies *r, const char *data, size_t len)
{
	const char *end = data + len, *newline;

	while (data < end && !r->unlike) {
		newline = memchr(data, '\n', (size_t)(end - data));
		for (const char *p = data; p < end && p != newline && r->len < 4; p++)
			r->line[r->len++] = *p;
		r->unlike = !is_like_a_reply(r->line, r->len) ||
			    (newline != NULL && r->len < 3);
		r->in_line = newline == NULL;
		if (newline == NULL)
			return;
		memcpy(r->last, r->line, sizeof(r->last));
		memset(r->line, 0, sizeof(r->line));
		r->len = 0;
		data = newline + 1;
	}
}

bool
replies_can_follow(const struct replies *r)
{
	return !r->unlike && !r->in_line && r->last[0] != '\0' && r->last[3] != '-' &&
	       memcmp(r->last, "221", 3) != 0 && memcmp(r->last, "421", 3) != 0;
}
