/* A client of the control socket. However its command is cut, it gets one answer, whole:
 * a head, and a text of as many bytes as that says. */
#include "fuzz_shell.h"

#include "core/protocols.h"
#include "net/control.h"
#include "net/pinfile.h"

static void
pin(struct pins *pins, enum state_line_kind kind, const char *domain, const char *onion)
{
	struct state_line s = {.kind = kind, .type = DNS_TYPE_SRV, .when = 1795612345};

	require(domain_from_name(&s.domain, domain, strlen(domain)) == DOMAIN_OK);
	s.fact.status = onion == NULL ? DNS_NONE : DNS_RECORDS;
	if (onion != NULL) {
		s.fact.set.n = 1;
		s.fact.set.target[0] = (struct target){.port = SMTP_PORT,
			.host = onion,
			.hostlen = (uint8_t)strlen(onion)};
	}
	require(pins_load(pins, &s, pins_day(SHELL_WALL)) == PINS_LOADED);
}

static const struct pins_config pins_config = {.max = 100, .hold_s = 100};

/* Those of a daemon that has been there for a while. */
static struct pins *
make_pins(void)
{
	struct pins *pins = pins_new(&pins_config);

	require(pins != NULL);
	pin(pins, STATE_LINE_PIN, "a.example", ONION_A);
	pin(pins, STATE_LINE_PIN, "b.example", ONION_A);
	pin(pins, STATE_LINE_HELD, "b.example", ONION_B);
	pin(pins, STATE_LINE_PIN, "c.example", ONION_B);
	pin(pins, STATE_LINE_HELD, "c.example", NULL);
	return pins;
}

static void
serve(const struct shell_plan *p, bool cut, struct shell_client *c)
{
	static const char *const names[] = {"readsocket", "tcp_table", "socketmap"};
	const struct listener_config own = shell_listener(0), other = shell_listener(1);
	struct control *control = control_open(&own);
	struct listener *listener = listener_open(&other);
	struct control_config config = {
		.loop = shell_loop, .counters = &shell.counters, .timeout_ms = 1000000};
	struct command_deps *deps = &config.commands;
	struct endpoint endpoint[3];
	struct command_listener shown[3];

	shell_open();
	for (size_t i = 0; i < 3; i++) {
		enum answer_style style = (enum answer_style)((p->how + i) % STYLES);

		endpoint[i] = (struct endpoint){protocols_by_name(names[i]),
			{style, "smtptor", false}, shell.profile[style], shell.engine,
			NULL};
		shown[i] = (struct command_listener){names[i], &endpoint[i], listener};
	}
	deps->engine = shell.engine;
	deps->counters = &shell.counters;
	config.loop = shell_loop;
	deps->listener = shown;
	deps->nlisteners = p->how / 4 % 4;
	memcpy(deps->profile, shell.profile, sizeof(deps->profile));
	if (p->how & 32) {
		require((deps->pins = make_pins()) != NULL);
		deps->pinfile = pinfile_open(&(struct pinfile_config){.loop = shell_loop,
			.dir = shell_dir(),
			.pins = deps->pins,
			.pins_config = pins_config,
			.counters = &shell.counters,
			.wall = SHELL_WALL});
		require(deps->pinfile != NULL);
	}
	require(control != NULL && listener != NULL);
	control_start(control, &config);
	shell_talk(p, cut, c);
	control_close(control);
	listener_free(listener);
	pinfile_close(deps->pinfile);
	pins_free(deps->pins);
	shell_close();
}

static void
check(struct shell_client *c)
{
	unsigned long len;
	char *end;

	c->text[c->len] = '\0';
	require(strlen(c->text) == c->len);
	if (c->len == 0)
		return;
	require(c->closed);
	require(strncmp(c->text, "ok ", 3) == 0 || strncmp(c->text, "error ", 6) == 0);
	len = strtoul(strchr(c->text, ' ') + 1, &end, 10);
	require(*end == '\n' && strlen(end + 1) == len);
	require(len == 0 || end[len] == '\n');
	for (end++; *end != '\0'; end++)
		require(*end == '\n' || (*end >= ' ' && *end <= '~'));
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
	check(&whole);
	require(whole.closed ==
		(plan.ends || memchr(plan.data, '\n', plan.size) != NULL ||
			whole.len > 0));
	return 0;
}
