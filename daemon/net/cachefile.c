#include "net/cachefile.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/state_line.h"
#include "net/log.h"
#include "statefile.h"
#include "ticker.h"

struct cachefile {
	struct cachefile_config config;
	char path[STATEFILE_PATH_MAX];
	struct ticker timer;
	bool started;
	pid_t child; /* 0: none is writing */
	bool failed; /* was logged */

	/* while it is read or written */
	struct monotime now;
	time_t wall;
	size_t damaged;
	FILE *out;
};

static void
note_time(struct cachefile *c)
{
	c->now = loop_now();
	c->wall = time(NULL);
}

/* Reading */

static void
read_line(void *arg, const char *text, size_t len)
{
	struct cachefile *c = arg;
	struct cached old = {0};
	struct state_line s;
	int64_t left;

	if (!state_line_read(text, len, &s) || s.kind != STATE_LINE_CACHE) {
		c->damaged++;
		return;
	}
	/* What was said under another name, or without a word on DNSSEC, is no answer to
	 * what would be asked now. */
	if (s.type == DNS_TYPE_SRV &&
		(s.prefixlen != strlen(c->config.srv_prefix) ||
			memcmp(s.prefix, c->config.srv_prefix, s.prefixlen) != 0))
		return;
	if (s.ad_unasked && c->config.ask_ad)
		return;
	left = s.when - (int64_t)c->wall;
	/* A clock that was set back must not make it live longer. */
	if (left > (int64_t)s.ttl)
		left = s.ttl;
	if (left < -(int64_t)UINT32_MAX)
		return;
	old.fact = s.fact;
	old.ttl = s.ttl;
	old.expires = monotime_add_s(c->now, left);
	engine_remember(c->config.engine, s.type, &s.domain, &old, c->now);
}

struct cachefile *
cachefile_open(const struct cachefile_config *config)
{
	struct cachefile *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		log_error("cache");
		return NULL;
	}
	c->config = *config;
	if (!statefile_path(c->path, config->dir, "cache")) {
		free(c);
		return NULL;
	}
	if (access(config->dir, W_OK | X_OK) < 0)
		log_warn("can't write to state_dir %s: the cache will not survive a "
			 "restart",
			config->dir);
	note_time(c);
	if (!statefile_read(c->path, read_line, c))
		log_warn("can't read all of the cache from %s", c->path);
	if (c->damaged > 0)
		log_warnx("%s: ignored %zu damaged lines", c->path, c->damaged);
	log_info("restored %zu cache entries from %s", engine_known(config->engine),
		c->path);
	return c;
}

/* Writing */

static void
write_line(
	void *arg, enum dns_type type, const struct domain *d, const struct cached *known)
{
	struct cachefile *c = arg;
	struct state_line s = {.kind = STATE_LINE_CACHE,
		.type = type,
		.domain = *d,
		.when = (int64_t)c->wall +
			monotime_diff_ms(known->expires, c->now) / 1000,
		.ttl = known->ttl,
		.ad_unasked = !c->config.ask_ad,
		.fact = known->fact};
	char line[STATE_LINE_MAX];

	if (type == DNS_TYPE_SRV) {
		s.prefix = c->config.srv_prefix;
		s.prefixlen = strlen(s.prefix);
	}
	if (s.when >= 0)
		fwrite(line, 1, state_line_write(line, &s), c->out);
}

static bool
save(struct cachefile *c)
{
	if ((c->out = statefile_create(c->path)) == NULL)
		return false;
	note_time(c);
	engine_recall(c->config.engine, write_line, c);
	return statefile_commit(c->out, c->path, false);
}

static void
note_failure(struct cachefile *c, bool failed)
{
	if (failed)
		c->config.counters->state_failures++;
	if (failed && !c->failed)
		log_warnx("can't write the cache to %s", c->path);
	c->failed = failed;
}

/* A child must not outlive us, since it has all our sockets, and hears none of the
 * signals that are for us: libevent would tell us of them a second time. */
static pid_t
fork_quietly(void)
{
	static const int ours[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};
	sigset_t all, before;
	pid_t child;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	if ((child = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
			signal(ours[i], SIG_IGN);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return child;
}

static void
child_ended(void *arg)
{
	struct cachefile *c = arg;
	int status = 0;
	pid_t ended;

	if (c->child == 0 || (ended = waitpid(c->child, &status, WNOHANG)) == 0 ||
		(ended < 0 && errno == EINTR))
		return;
	c->child = 0;
	note_failure(c, ended < 0 || status != 0);
}

/* The child has a copy of the cache that stands still. Its end isn't only told by a
 * signal: one that was missed would be the last. */
static void
save_in_background(void *arg)
{
	struct cachefile *c = arg;
	pid_t child;

	child_ended(c);
	if (c->child != 0)
		return;
	if ((child = fork_quietly()) == 0)
		_exit(save(c) ? 0 : 1);
	if (child < 0)
		note_failure(c, true);
	else
		c->child = child;
}

bool
cachefile_start(struct cachefile *c)
{
	ticker_start(&c->timer, c->config.loop, c->config.save_s * INT64_C(1000),
		save_in_background, c);
	c->started = true;
	return signals_handle(c->config.signals, SIGCHLD, child_ended, c);
}

void
cachefile_close(struct cachefile *c)
{
	if (c == NULL)
		return;
	ticker_stop(&c->timer);
	if (c->child != 0) {
		kill(c->child, SIGKILL);
		waitpid(c->child, NULL, 0);
	}
	if (c->started)
		note_failure(c, !save(c));
	free(c);
}
