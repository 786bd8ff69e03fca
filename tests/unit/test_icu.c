/* The names that Postfix makes of UTF-8, with ICU, are the ones that are looked up. */
#include "unit.h"

#include <unicode/uchar.h>
#include <unicode/uidna.h>
#include <unicode/ustring.h>

#include "core/domain.h"

#define EMOJI 0x1f600

/* A sanitizer takes ten times as long, and is about the code and not the characters. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STEP 13
#endif
#endif
#ifndef STEP
#define STEP 1
#endif

/* As Postfix does it: any error that ICU reports is one. */
static bool
icu_name(UIDNA *idna, const UChar *name, int32_t len, char out[256])
{
	UChar ascii[256];
	UIDNAInfo info = UIDNA_INFO_INITIALIZER;
	UErrorCode error = U_ZERO_ERROR;
	int32_t n = uidna_nameToASCII(idna, name, len, ascii, 255, &info, &error);

	if (U_FAILURE(error) || info.errors != 0)
		return false;
	for (int32_t i = 0; i < n; i++)
		out[i] = (char)ascii[i];
	out[n] = '\0';
	return true;
}

static enum domain_status
our_name(const UChar *name, int32_t len, struct domain *d)
{
	UErrorCode error = U_ZERO_ERROR;
	char utf8[256];
	int32_t n;

	u_strToUTF8(utf8, sizeof(utf8), &n, name, len, &error);
	assert_true(U_SUCCESS(error));
	return domain_from_name(d, utf8, (size_t)n);
}

static void
append(UChar name[64], int32_t *len, UChar32 c)
{
	U16_APPEND_UNSAFE(name, *len, c);
}

struct tally {
	unsigned both, differ, only_icu, unknown;
};

static void
compare(UIDNA *idna, const UChar32 *label, size_t n, struct tally *t)
{
	UChar name[64];
	int32_t len = 0;
	struct domain d;
	char theirs[256];
	enum domain_status ours;

	for (size_t i = 0; i < n; i++)
		append(name, &len, label[i]);
	for (const char *p = ".example"; *p != '\0'; p++)
		append(name, &len, *p);
	/* ICU lets any ASCII through that comes of the mapping; Postfix doesn't. */
	if (!icu_name(idna, name, len, theirs) ||
		!domain_is_canonical(theirs, strlen(theirs)))
		return;
	ours = our_name(name, len, &d);
	t->both += ours == DOMAIN_OK;
	t->unknown += ours == DOMAIN_UNKNOWN; /* that is a temporary failure */
	if (ours == DOMAIN_UNUSABLE && t->only_icu++ < 20)
		print_error("U+%04X U+%04X: ICU %s, ours none\n", (unsigned)label[0],
			(unsigned)(n > 1 ? label[1] : 0), theirs);
	if (ours != DOMAIN_OK || strcmp(theirs, d.text) == 0)
		return;
	if (t->differ++ < 20)
		print_error("U+%04X U+%04X: ICU %s, ours %s\n", (unsigned)label[0],
			(unsigned)(n > 1 ? label[1] : 0), theirs, d.text);
}

/* All assigned code points behind an emoji, before one, between letters, and alone. */
static void
test_the_same_names_as_icu(void **state)
{
	UErrorCode error = U_ZERO_ERROR;
	UIDNA *idna = uidna_openUTS46(UIDNA_NONTRANSITIONAL_TO_ASCII, &error);
	struct tally t = {0};

	(void)state;
	assert_true(U_SUCCESS(error));
	for (UChar32 c = 1; c <= UCHAR_MAX_VALUE; c += STEP) {
		if (!u_isdefined(c) || U_GET_GC_MASK(c) & U_GC_CS_MASK)
			continue;
		compare(idna, (UChar32[]){EMOJI, c}, 2, &t);
		compare(idna, (UChar32[]){c, EMOJI}, 2, &t);
		compare(idna, (UChar32[]){'i', EMOJI, c, 'x'}, 4, &t);
		compare(idna, (UChar32[]){'a', c, 'b'}, 3, &t);
		compare(idna, (UChar32[]){c}, 1, &t);
	}
	uidna_close(idna);
	print_message("%u names the same, %u differ, %u only for ICU, %u unknown\n",
		t.both, t.differ, t.only_icu, t.unknown);
	assert_int_equal(t.differ, 0);
	assert_int_equal(t.only_icu, 0);
	assert_in_range(t.unknown, 0, t.both / 20);
	assert_true(t.both > 600000 / STEP);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_names_as_icu),
	};

	return cmocka_run_group_tests_name("icu", tests, NULL, NULL);
}
