#include "core/line_checksum.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/siphash.h"

#define CHECKSUM_LEN 16

static void
checksum(const char *text, size_t len, char out[CHECKSUM_LEN + 1])
{
	static const struct siphash_key key = {0x6f6e696f6e6d7864, 1};

	snprintf(out, CHECKSUM_LEN + 1, "%016" PRIx64, siphash13(&key, text, len));
}

size_t
line_checksum_add(char *text, size_t len)
{
	char sum[CHECKSUM_LEN + 1];

	checksum(text, len, sum);
	return len + (size_t)sprintf(text + len, " %s\n", sum);
}

bool
line_checksum_check(const char *line, size_t *len)
{
	char sum[CHECKSUM_LEN + 1];
	size_t text;

	if (*len <= CHECKSUM_LEN)
		return false;
	text = *len - CHECKSUM_LEN - 1;
	checksum(line, text, sum);
	*len = text;
	return line[text] == ' ' && memcmp(line + text + 1, sum, CHECKSUM_LEN) == 0;
}
