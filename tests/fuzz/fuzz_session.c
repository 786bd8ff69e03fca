/* A client of a listener. However its bytes are cut, and whenever DNS answers, it gets
 * the same answers, and is closed or isn't. */
#include "core/protocols.h"
#include "fuzz_shell.h"

static void
serve(const struct shell_plan *p, bool cut, struct shell_client *c)
{
	static const char *const names[] = {
		"readsocket", "tcp_table", "socketmap", "policy"};
	const struct listener_config config = shell_listener(0);
	struct endpoint endpoint = {.proto = protocols_by_name(names[p->how % 4]),
		.render = {(enum answer_style)(p->how / 4 % STYLES), "smtptor",
			p->how / 4 % STYLES == STYLE_BRIDGE}};
	struct listener *listener;
	struct clients *clients;

	if (endpoint.render.style == STYLE_ONION && endpoint.proto->needs_address)
		endpoint.render.style = STYLE_ADDRESS;
	shell_open();
	endpoint.profile = shell.profile[endpoint.render.style];
	endpoint.engine = shell.engine;
	clients = clients_new(&(struct clients_config){.loop = shell_loop,
		.counters = &shell.counters,
		.client_timeout_ms = 1000000,
		.max_clients = 10});
	listener = listener_open(&config);
	require(clients != NULL && listener != NULL);
	listener_start(listener, clients, &endpoint);
	shell_talk(p, cut, c);
	listener_stop(listener);
	clients_free(clients);
	listener_free(listener);
	shell_close();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct shell_client whole, pieces;
	struct shell_plan plan;

	if (!shell_read_plan(&plan, data, size))
		return 0;
	serve(&plan, false, &whole);
	serve(&plan, true, &pieces);
	shell_same(&whole, &pieces);
	require(memchr(whole.text, '\0', whole.len) == NULL);
	return 0;
}
