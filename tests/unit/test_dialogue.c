#include "unit.h"

#include "core/dialogue.h"

/* Lines that begin with C: are the client's, the others the server's; a "|" ends a line
 * and "~" is the end of one that isn't whole. */
struct row {
	const char *said;
	enum dialogue_state state;
	unsigned owed;
	bool in_line;
};

#define HELLO "220 mx|C:EHLO a|250-mx|250 STARTTLS|"
#define UP_TO_RCPT HELLO "C:MAIL FROM:<>|250 ok|C:RCPT TO:<b@c>|250 ok|"
#define IN_TEXT UP_TO_RCPT "C:DATA|354 go on|"

static const struct row rows[] = {
	{"", DIALOGUE_SMTP, 1, false},
	{"220 mx|", DIALOGUE_SMTP, 1, false},
	{"220|", DIALOGUE_SMTP, 1, false},
	{"220-mx|", DIALOGUE_SMTP, 1, false},
	{"220 m~", DIALOGUE_SMTP, 1, true},
	{"2~", DIALOGUE_SMTP, 1, true},
	{HELLO, DIALOGUE_SMTP, 1, false},
	{"220 mx|C:EHLO a|250-mx|", DIALOGUE_SMTP, 1, false},
	{"220 mx|C:EHLO a|250-mx|250~", DIALOGUE_SMTP, 1, true},
	{UP_TO_RCPT, DIALOGUE_SMTP, 1, false},

	/* Pipelining. */
	{HELLO "C:MAIL|C:RCPT|C:RCPT|C:RCPT|C:DATA|", DIALOGUE_SMTP, 5, false},
	{HELLO "C:MAIL|C:RCPT|C:RCPT|C:RCPT|C:DATA|250 ok|550 no|", DIALOGUE_SMTP, 3,
		false},
	{HELLO "C:MAIL|C:RCPT|C:RCP~", DIALOGUE_SMTP, 2, false},
	{HELLO "C:MAIL|C:RCPT|250-a|250 b|25~", DIALOGUE_SMTP, 1, true},

	/* Before the greeting, which answers no command. */
	{"C:EHLO a|", DIALOGUE_SMTP, 2, false},
	{"C:EHLO a|220-mx|", DIALOGUE_SMTP, 2, false},
	{"C:EHLO a|C:MAIL|C:RCPT|C:DATA|220-mx|220 mx|250-mx|250 ok|250 ok|",
		DIALOGUE_SMTP, 2, false},

	/* What a message has in it. */
	{IN_TEXT, DIALOGUE_SMTP, 1, false},
	{IN_TEXT "C:a|C:STARTTLS|C:.|", DIALOGUE_SMTP, 1, false},
	{IN_TEXT "C:STARTTLS|C:.|250 ok|", DIALOGUE_SMTP, 1, false},
	{IN_TEXT "C:STARTTLS|220 ok|", DIALOGUE_SMTP, 1, false},
	{IN_TEXT "C:a|C:.|250 ok|C:MAIL|C:RCPT|", DIALOGUE_SMTP, 2, false},
	{IN_TEXT "C:a|C:.|250 ok|C:STARTTLS|220 ok|", DIALOGUE_TLS, 0, false},
	{IN_TEXT "C:\x16\x03\x01|", DIALOGUE_SMTP, 1, false},
	{UP_TO_RCPT "C:BDAT 10 LAST|C:STARTTLS|250 ok|", DIALOGUE_SMTP, 1, false},
	{HELLO "C:MAIL|C:RCPT|C:bdat 12 LAST|C:a~C:b~C:c~C:d~C:e~C:f~C:g~C:h~C:i~C:j~C:k~"
	       "C:l~",
		DIALOGUE_SMTP, 3, false},
	{HELLO "C:MAIL|C:RCPT|C:BDAT 4|C:a~C:b~C:c~C:d~C:BDAT 0 LAST|", DIALOGUE_SMTP, 4,
		false},
	{HELLO "C:BDAT|C:BDATE 9|C:XBDAT 9|C:NOOP|", DIALOGUE_SMTP, 4, false},

	/* The last word. */
	{HELLO "C:QUIT|221 bye|", DIALOGUE_OVER, 1, false},
	{HELLO "C:QUIT|221-bye|", DIALOGUE_SMTP, 1, false},
	{HELLO "C:MAIL|C:RCPT|C:DATA|250 ok|221 bye|", DIALOGUE_SMTP, 1, false},
	{"220 mx|421 too busy|", DIALOGUE_SMTP, 0, false},
	{HELLO "C:MAIL|C:RCPT|C:RCPT|421 too busy|", DIALOGUE_SMTP, 2, false},
	{"421 too busy|", DIALOGUE_SMTP, 0, false},

	/* TLS. */
	{HELLO "C:STARTTLS|", DIALOGUE_SMTP, 1, false},
	{HELLO "C:STARTTLS|454 no|", DIALOGUE_SMTP, 1, false},
	{HELLO "C:STARTTLS|454 no|C:RCPT|220 x|", DIALOGUE_SMTP, 1, false},
	{HELLO "C:STARTTLS|22~", DIALOGUE_SMTP, 1, true},
	{HELLO "C:STARTTLS|220~", DIALOGUE_TLS, 0, false},
	{HELLO "C:STARTTLS|220-a|", DIALOGUE_SMTP, 1, false},
	{HELLO "C:STARTTLS|220-a|220 b|", DIALOGUE_TLS, 0, false},
	{HELLO "C:STARTTLS|220 ok|", DIALOGUE_TLS, 0, false},
	{HELLO "C:starttls |220 ok|", DIALOGUE_TLS, 0, false},
	{HELLO "C:STARTTLS|220 ok|C:\x16\x03\x01|\x16\x03\x03|250 x|", DIALOGUE_TLS, 0,
		false},
	{HELLO "C:NOOP|C:STARTTLS|250 ok|220 ok|", DIALOGUE_TLS, 0, false},
	{HELLO "C:STARTTLSX|220 ok|", DIALOGUE_SMTP, 1, false},
	{HELLO "C:STARTTL|220 ok|", DIALOGUE_SMTP, 1, false},
	{"C:\x16\x03\x01|", DIALOGUE_TLS, 0, false},
	{"\x16\x03\x03|250 ok|", DIALOGUE_TLS, 0, false},

	/* Another protocol. */
	{"x~", DIALOGUE_OTHER, 0, false},
	{"220 mx|x|250 ok|", DIALOGUE_OTHER, 0, false},
	{"22|250 ok|", DIALOGUE_OTHER, 0, false},
	{"|250 ok|", DIALOGUE_OTHER, 0, false},
	{"2200 mx|250 ok|", DIALOGUE_OTHER, 0, false},
	{"* OK IMAP|250 ok|", DIALOGUE_OTHER, 0, false},
};

/* A line in pieces of that many bytes. */
static void
feed(struct dialogue *d, const char *line, size_t len, const char *end, size_t piece)
{
	const bool is_client = len >= 2 && memcmp(line, "C:", 2) == 0;
	char text[100];
	size_t n;

	if (is_client) {
		line += 2;
		len -= 2;
	}
	n = (size_t)snprintf(text, sizeof(text), "%.*s%s", (int)len, line, end);
	for (size_t at = 0; at < n; at += piece)
		(is_client ? dialogue_client : dialogue_server)(
			d, text + at, n - at < piece ? n - at : piece);
}

static struct dialogue
hold(const char *said, size_t piece, const char *newline)
{
	struct dialogue d = {0};

	while (*said != '\0') {
		size_t len = strcspn(said, "|~");

		feed(&d, said, len, said[len] == '|' ? newline : "", piece);
		said += len + 1;
	}
	return d;
}

static void
check(const struct row *row, size_t piece, const char *newline)
{
	struct dialogue d = hold(row->said, piece, newline);

	row_assert(row->said, dialogue_state(&d) == row->state);
	if (row->state != DIALOGUE_SMTP)
		return;
	row_assert(row->said, dialogue_owed(&d) == row->owed);
	row_assert(row->said, dialogue_in_line(&d) == row->in_line);
}

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t piece = 1; piece < 30; piece++) {
			check(&rows[i], piece, "\r\n");
			check(&rows[i], piece, "\n");
		}
}

static void
send_text(struct dialogue *d, const char *line, size_t bytes)
{
	char *text = malloc(bytes);
	const size_t len = strlen(line);

	assert_non_null(text);
	for (size_t i = 0; i < bytes; i++)
		text[i] = line[i % len];
	dialogue_client(d, text, bytes);
	free(text);
}

/* However much it is. */
static void
test_chunk(void **state)
{
	struct dialogue d = hold(UP_TO_RCPT "C:BDAT 100003|", 100, "\r\n");

	(void)state;
	send_text(&d, "STARTTLS\r\n", 100003);
	assert_int_equal(dialogue_owed(&d), 1);
	dialogue_client(&d, "STARTTLS\r\n", 10);
	assert_int_equal(dialogue_owed(&d), 2);
	dialogue_server(&d, "250 x\r\n220 x\r\n", 14);
	assert_int_equal(dialogue_state(&d), DIALOGUE_TLS);
}

/* The end of a line that began in a message's text is no command. */
static void
test_end_of_text(void **state)
{
	struct dialogue d = hold(IN_TEXT, 100, "\r\n");

	(void)state;
	send_text(&d, "xSTARTTLS\r\n", 5 + 500 * 11 - 10);
	dialogue_server(&d, "250 x\r\n", 7);
	dialogue_client(&d, "STARTTLS\r\n", 10);
	dialogue_server(&d, "220 x\r\n", 7);
	assert_int_equal(dialogue_state(&d), DIALOGUE_SMTP);
	dialogue_client(&d, "STARTTLS\r\n", 10);
	dialogue_server(&d, "220 x\r\n", 7);
	assert_int_equal(dialogue_state(&d), DIALOGUE_TLS);
}

/* A client may send the commands for many recipients, and the message, at once. */
static void
test_large_envelope(void **state)
{
	struct dialogue d = hold(HELLO, 100, "\r\n");
	char text[16384];
	size_t len = 0;

	(void)state;
	for (int i = 0; i < 200; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
			"RCPT TO:<recipient-%d@onion.example>\r\n", i);
	len += (size_t)snprintf(
		text + len, sizeof(text) - len, "BDAT 9 LAST\r\n1\r\n2\r\n3\r\n");
	dialogue_client(&d, text, len);
	assert_int_equal(dialogue_owed(&d), 201);
}

static void
test_many_commands(void **state)
{
	struct dialogue d = hold(HELLO, 100, "\r\n");

	(void)state;
	for (int i = 0; i < 2 * DIALOGUE_OWED_MAX; i++)
		dialogue_client(&d, "NOOP\r\n", 6);
	assert_int_equal(dialogue_owed(&d), DIALOGUE_OWED_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_chunk),
		cmocka_unit_test(test_end_of_text),
		cmocka_unit_test(test_large_envelope),
		cmocka_unit_test(test_many_commands),
	};

	return cmocka_run_group_tests_name("dialogue", tests, NULL, NULL);
}
