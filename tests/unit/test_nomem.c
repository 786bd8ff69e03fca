/* Out of memory is "not known now", never "no domain". Only the conversion of UTF-8
 * takes memory, so this stands in for libidn2. */
#include "unit.h"

#include <idn2.h>

#include "core/maptext.h"

static int result;
static int first; /* what the first call returns, if not 0 */

int
idn2_lookup_u8(const uint8_t *src, uint8_t **lookupname, int flags)
{
	(void)src;
	(void)flags;
	*lookupname = NULL;
	if (first != 0) {
		int rc = first;

		first = 0;
		return rc;
	}
	return result;
}

static const char utf8[] = "m\xc3\xbcnchen.example";

static enum domain_status
from_name(const char *name)
{
	struct domain d;

	return domain_from_name(&d, name, strlen(name));
}

static void
test_domain(void **state)
{
	struct domain d;

	(void)state;
	result = IDN2_MALLOC;
	assert_int_equal(from_name(utf8), DOMAIN_NOMEM);
	assert_int_equal(domain_from_key(&d, "a@\xc3\xbc.example", 12), DOMAIN_NOMEM);
	result = IDN2_ENCODING_ERROR;
	assert_int_equal(from_name("m\xfcnchen.example"), DOMAIN_UNUSABLE);
}

/* The whole name is forbidden, and then there is no memory for one of its labels. */
static void
test_label(void **state)
{
	(void)state;
	result = IDN2_MALLOC;
	first = IDN2_DISALLOWED;
	assert_int_equal(from_name("example.\xe2\x98\x83"), DOMAIN_NOMEM);
	/* What it doesn't know: a pictograph stays as it is. */
	result = IDN2_DISALLOWED;
	assert_int_equal(from_name("example.\xf0\x9f\xab\xa8"), DOMAIN_OK);
	assert_int_equal(from_name("example.\xe2\x98\x83"), DOMAIN_UNKNOWN);
}

/* Plain names don't depend on it. */
static void
test_ascii(void **state)
{
	struct domain d;

	(void)state;
	result = IDN2_MALLOC;
	assert_int_equal(from_name("example.org"), DOMAIN_OK);
	assert_int_equal(from_name("*"), DOMAIN_UNUSABLE);
	assert_int_equal(domain_from_key(&d, "j\xc3\xb6rg@example.org", 17), DOMAIN_OK);
}

static void
test_maptext(void **state)
{
	const char line[] = "m\xc3\xbcnchen.example -";
	const char not_utf8[] = "m\xfcnchen.example -";
	struct map_entry e;
	struct map_error err;

	(void)state;
	result = IDN2_MALLOC;
	assert_int_equal(
		maptext_parse(line, sizeof(line) - 1, &e, &err, NULL), MAPTEXT_NOMEM);
	result = IDN2_ENCODING_ERROR;
	assert_int_equal(maptext_parse(not_utf8, sizeof(not_utf8) - 1, &e, &err, NULL),
		MAPTEXT_ERROR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_domain),
		cmocka_unit_test(test_label),
		cmocka_unit_test(test_ascii),
		cmocka_unit_test(test_maptext),
	};

	return cmocka_run_group_tests_name("nomem", tests, NULL, NULL);
}
