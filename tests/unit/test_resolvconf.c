#include "unit.h"

#include <arpa/inet.h>

#include "core/resolvconf.h"

static void
parse(const char *text, size_t len, struct resolvconf_text *found)
{
	char *copy = malloc(len + 1); /* without a NUL behind it */

	assert_non_null(copy);
	memcpy(copy + 1, text, len);
	resolvconf_parse(copy + 1, len, found);
	free(copy);
}

/* "ADDRESS[%ZONE] ..." */
static void
describe(const struct resolvconf_text *found, char *out)
{
	char ip[INET6_ADDRSTRLEN];

	*out = '\0';
	for (size_t i = 0; i < found->n; i++) {
		const struct resolvconf_server *s = &found->server[i];

		out += sprintf(out, "%s%s%s%s", i > 0 ? " " : "",
			inet_ntop(s->family, s->ip, ip, sizeof(ip)),
			s->zone[0] != '\0' ? "%" : "", s->zone);
	}
}

static void
test_files(void **state)
{
	static const struct {
		const char *text, *servers;
		size_t unusable, first;
	} rows[] = {
		{"", "", 0, 0},
		{"\n\n", "", 0, 0},
		{"nameserver 192.0.2.1\n", "192.0.2.1", 0, 0},
		{"nameserver 192.0.2.1", "192.0.2.1", 0, 0},
		{"nameserver\t 192.0.2.1 \t# text\n", "192.0.2.1", 0, 0},
		{"# nameserver 192.0.2.1\n;nameserver 192.0.2.2\n", "", 0, 0},
		{"search a.example\noptions use-vc\nnameserver ::1\n", "::1", 0, 0},
		{"nameserver 192.0.2.1\nnameserver ::1\nnameserver 192.0.2.3\n"
		 "nameserver 192.0.2.4\n",
			"192.0.2.1 ::1 192.0.2.3", 0, 0},
		{"nameserver 192.0.2.1\nnameserver 192.0.2.1\n", "192.0.2.1 192.0.2.1", 0,
			0},
		/* The keyword */
		{"nameserver", "", 1, 1},
		{"nameserver\n", "", 1, 1},
		{"nameserver \n", "", 1, 1},
		{" nameserver 192.0.2.1\nnameserver ::1\n", "::1", 1, 1},
		{"\nNameServer 192.0.2.1\n", "", 1, 2},
		{"\xef\xbb\xbfnameserver 192.0.2.1\n", "", 1, 1},
		{"nameservers 192.0.2.1\n", "", 1, 1},
		{"nameserver=192.0.2.1\n", "", 1, 1},
		{"nameserve 192.0.2.1\n", "", 0, 0},
		/* IPv4 */
		{"nameserver 127.1\n", "127.0.0.1", 0, 0},
		{"nameserver 0x7f.0.0.010\n", "127.0.0.8", 0, 0},
		{"nameserver 3221225985\n", "192.0.2.1", 0, 0},
		{"nameserver 0\n", "0.0.0.0", 0, 0},
		{"nameserver 192.0.2.1\r\n", "", 1, 1},
		{"nameserver 192.0.2.1\v\n", "", 1, 1},
		{"nameserver 192.0.2.1\fx\n", "", 1, 1},
		{"nameserver 192.0.2.1#x\n", "", 1, 1},
		{"nameserver 192.0.2.256\n", "", 1, 1},
		{"nameserver 192.0.2.1:53\n", "", 1, 1},
		{"nameserver 192.0.2.1%lo\n", "", 1, 1},
		{"nameserver 192.0.2.1, 192.0.2.2\n", "", 1, 1},
		{"nameserver dns.example\nnameserver x\n", "", 2, 1},
		/* IPv6 */
		{"nameserver 2001:DB8::1\n", "2001:db8::1", 0, 0},
		{"nameserver fe80::1%eth0 x\n", "fe80::1%eth0", 0, 0},
		{"nameserver fe80::1%\n", "fe80::1", 0, 0},
		{"nameserver fe80::1%a%b\n", "fe80::1%a%b", 0, 0},
		{"nameserver fe80::1%eth0\r\n", "fe80::1%eth0\r", 0, 0},
		{"nameserver ::1\r\n", "", 1, 1},
		{"nameserver %eth0\n", "", 1, 1},
		{"nameserver [::1]\n", "", 1, 1},
		{"nameserver ::1\nnameserver ::x\nnameserver ::y\n", "::1", 2, 2},
	};
	struct resolvconf_text found;
	char text[256];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		parse(rows[i].text, strlen(rows[i].text), &found);
		describe(&found, text);
		row_assert(rows[i].text, strcmp(text, rows[i].servers) == 0);
		row_assert(rows[i].text, found.unusable.lines == rows[i].unusable);
		row_assert(rows[i].text, found.unusable.first == rows[i].first);
		row_assert(rows[i].text,
			(found.unusable.why != NULL) == (rows[i].unusable > 0));
	}
}

/* glibc's strings end there, but its lines don't. */
static void
test_nul(void **state)
{
	static const char text[] = "nameserver 192.0.2.1\0 x\n"
				   "nameserver\0 192.0.2.2\n"
				   "\0nameserver 192.0.2.3\n"
				   "nameserver 192.0.2.4\n";
	struct resolvconf_text found;
	char servers[256];

	(void)state;
	parse(text, sizeof(text) - 1, &found);
	describe(&found, servers);
	assert_string_equal(servers, "192.0.2.1 192.0.2.4");
	assert_int_equal(found.server[1].line, 4);
	assert_int_equal(found.unusable.lines, 1);
	assert_int_equal(found.unusable.first, 2);
}

/* All pieces of a line may be longer than what has room. */
static void
test_long(void **state)
{
	enum { LONG = 20000 };
	char *text = malloc(2 * LONG);
	struct resolvconf_text found;
	char servers[256];
	size_t len;

	(void)state;
	assert_non_null(text);
	len = (size_t)sprintf(text, "nameserver%*s192.0.2.1%*s\nnameserver ", LONG / 4,
		"", LONG / 4, "");
	memset(text + len, '1', LONG);
	len += LONG;
	len += (size_t)sprintf(text + len, "\nnameserver 2001:db8::1%%");
	memset(text + len, 'z', LONG / 4);
	parse(text, len + LONG / 4, &found);
	describe(&found, servers);
	assert_string_equal(
		servers, "192.0.2.1 2001:db8::1%zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz");
	assert_int_equal(found.unusable.lines, 1);
	assert_int_equal(found.unusable.first, 2);
	free(text);
}

static void
test_unusable(void **state)
{
	struct resolvconf_unusable u = {0};

	(void)state;
	resolvconf_unusable(&u, 7, "a");
	resolvconf_unusable(&u, 9, "b");
	assert_int_equal(u.first, 7);
	assert_string_equal(u.why, "a");
	resolvconf_unusable(&u, 2, "c");
	assert_int_equal(u.first, 2);
	assert_string_equal(u.why, "c");
	assert_int_equal(u.lines, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_unusable),
	};

	return cmocka_run_group_tests_name("resolvconf", tests, NULL, NULL);
}
