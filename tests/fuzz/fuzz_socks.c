/* What a SOCKS server says. The first byte chooses whether there is a login, and how the
 * rest is cut: into pieces of so many bytes. */
#include "fuzz.h"

#include "core/socks.h"

#define HOST "aebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd.onion"

static struct socks
begin(bool login)
{
	static const struct socks_target plain = {
		.host = HOST, .hostlen = sizeof(HOST) - 1, .port = 25};
	struct socks_target target = plain;
	struct socks s;

	if (login) {
		target.user = "onionmxd";
		target.password = "0123456789abcdef";
	}
	socks_begin(&s, &target);
	return s;
}

static bool
is_over(const struct socks *s)
{
	return s->state == SOCKS_CONNECTED || s->state == SOCKS_FAILED;
}

static void
check_output(const struct socks *s)
{
	uint8_t *out = fuzz_alloc(SOCKS_OUTPUT_MAX);
	size_t n = socks_output(s, out);

	require(n <= SOCKS_OUTPUT_MAX && (n == 0) == is_over(s));
	free(out);
}

/* A step forward, and a failure has a reason. */
static void
check_step(const struct socks *before, const struct socks *s, size_t used, size_t len)
{
	const char *why = socks_reason(s->code);

	require(used <= len);
	require((used > 0) == (s->state > before->state));
	require(used > 0 || len < SOCKS_INPUT_MAX);
	require(s->state != SOCKS_LOGIN || s->target.user != NULL);
	require(s->state == SOCKS_FAILED || s->code == 0);
	require(s->code == 0 || before->state == SOCKS_REQUEST);
	require(*why != '\0' && fuzz_printable(why, strlen(why)));
	require(strchr(why, '"') == NULL);
	check_output(s);
}

/* Memory of exactly this size. */
static size_t
input(struct socks *s, const uint8_t *data, size_t len)
{
	uint8_t *copy = fuzz_alloc(len);
	struct socks before = *s;
	size_t used;

	memcpy(copy, data, len);
	used = socks_input(s, copy, len);
	free(copy);
	if (len > 0 && !is_over(&before))
		check_step(&before, s, used, len);
	else
		require(used == 0 && s->state == before.state);
	return used;
}

/* The whole conversation; a piece more is there whenever nothing was used. Returns how
 * much of it was used. */
static size_t
converse(struct socks *s, const uint8_t *data, size_t size, size_t piece)
{
	size_t at = 0, there = 0;

	while (!is_over(s)) {
		size_t used = input(s, data + at, there - at);

		at += used;
		if (used > 0)
			continue;
		if (there == size)
			break;
		there += size - there < piece ? size - there : piece;
	}
	return at;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct socks whole, cut;
	size_t n, m;

	if (size == 0)
		return 0;
	whole = cut = begin(data[0] & 1);
	n = converse(&whole, data + 1, size - 1, size);
	m = converse(&cut, data + 1, size - 1, 1 + data[0] / 2);
	require(whole.state == cut.state && whole.code == cut.code);
	/* Of a failure nothing is left that anybody needs. */
	require(whole.state == SOCKS_FAILED || n == m);
	input(&whole, data + 1, size - 1);
	return 0;
}
