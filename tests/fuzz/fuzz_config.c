/* A configuration file. It is taken, with warnings or without, or refused; each message
 * has its name and a line that it has. In one that is taken nothing has been passed over:
 * a fault behind it is found. */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "config_load.h"

static char path[64];

/* Returns what was printed; free it with free(). */
static char *
load(const void *text, size_t len, struct config **config)
{
	static int fd = -1;
	FILE *terminal = stderr, *f;
	char *said = NULL;
	size_t n = 0;

	if (fd < 0 && (fd = memfd_create("config", MFD_CLOEXEC)) >= 0)
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	require(fd >= 0 && ftruncate(fd, 0) == 0);
	require(pwrite(fd, text, len, 0) == (ssize_t)len);
	require((f = open_memstream(&said, &n)) != NULL);
	stderr = f;
	*config = config_load(path);
	stderr = terminal;
	fclose(f);
	return said;
}

/* The greatest line that a message names. Each is FILE:LINE:COLUMN: message. What follows
 * from defaults alone is told without a place: nothing in a fuzzed file makes it wrong.
 */
static unsigned long
last_line_of(const char *said)
{
	unsigned long last = 0;

	for (const char *p = said; *p != '\0'; p = strchr(p, '\n') + 1) {
		char *end;
		unsigned long line;

		require(strncmp(p, path, strlen(path)) == 0 && p[strlen(path)] == ':');
		line = strtoul(p + strlen(path) + 1, &end, 10);
		require(line >= 1 && *end == ':' && strtoul(end + 1, &end, 10) >= 1);
		require(strncmp(end, ": ", 2) == 0 && end[2] != '\0' && end[2] != '\n');
		require(strchr(end, '\n') != NULL);
		last = line > last ? line : last;
	}
	return last;
}

static unsigned long
lines(const uint8_t *data, size_t size)
{
	unsigned long n = 1;

	for (size_t i = 0; i < size; i++)
		n += data[i] == '\n';
	return n;
}

static void
check(const struct config *c)
{
	require(c->nlisteners > 0);
	for (size_t i = 0; i < c->nlisteners; i++) {
		const struct listener_options *l = &c->listener[i];

		require(l->protocol != NULL && l->deadline_ms > 0 && l->max_clients > 0);
		require(l->net.name[0] != '\0' && render_transport_valid(l->transport));
		require(l->net.addr.len > 0 && l->net.mode <= 0777);
		require(!(l->protocol->needs_address && l->answer == STYLE_ONION));
	}
	require(c->map_max_bytes > 0 && c->max_pins > 0 && c->dns_timeout_ms > 0);
	require(c->dns_tries > 0 && c->tor_timeout_ms > 0 && c->tor_tries > 0);
	require(c->bridge_addresses > 0 && c->bridge_port > 0 &&
		c->bridge_connect_ms > 0);
	require(c->bridge_idle_ms > 0 && c->bridge_max_clients > 0);
	require(c->min_ttl >= 0 && c->min_ttl <= c->max_ttl && c->max_stale >= 0);
	require(c->cache_entries > 0 && c->cache_bytes > 0 && c->max_lookups > 0);
	require(c->max_queries > 0 && c->max_waiters > 0 && c->client_timeout_ms > 0);
	require(c->cache_save > 0 && c->srv_prefix[0] == '_');
	require(!config_has_bridge(c) || (c->nsocks > 0 && c->state_dir != NULL));
}

/* The last line is the fault, whatever stands before it. */
static void
nothing_passed_over(const uint8_t *data, size_t size)
{
	static const char more[] = "\nno_such_option = 1\n";
	char *text = fuzz_alloc(size + sizeof(more));
	struct config *c;
	char *said;

	memcpy(text, data, size);
	memcpy(text + size, more, sizeof(more));
	said = load(text, size + strlen(more), &c);
	require(c == NULL && last_line_of(said) == lines(data, size) + 1);
	free(said);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c;
	char *said = load(data, size, &c);

	require(last_line_of(said) <= lines(data, size));
	require(c != NULL || said[0] != '\0');
	if (c != NULL) {
		check(c);
		config_free(c);
		nothing_passed_over(data, size);
	}
	free(said);
	return 0;
}
