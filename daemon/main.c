#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "config_load.h"
#include "daemon.h"
#include "net/resolver.h"
#include "options.h"
#include "pid_file.h"
#include "process.h"
#include "version.h"

struct options {
	const char *file;
	bool check_only;
	bool foreground;
};

static void
usage(FILE *to)
{
	static const struct cli_option options[] = {ONIONMXD_OPTIONS(CLI_OPTION)};
	char name[32];

	fputs("usage: onionmxd [-fhtV] [-c FILE]\n"
	      "\n"
	      "Tells mail servers which Tor onion service takes the mail of a domain.\n"
	      "\n",
		to);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const struct cli_option *o = &options[i];

		snprintf(name, sizeof(name), "%s %s", o->name, o->value ? o->value : "");
		fprintf(to, "  -%c, --%-14s%s\n", o->letter, name, o->help);
	}
}

static struct options
parse_options(int argc, char **argv)
{
	static const struct option names[] = {
		ONIONMXD_OPTIONS(CLI_GETOPT) /* and the end: */
		{NULL, 0, NULL, 0},
	};
	struct options o = {.file = CONFIG_DEFAULT_FILE};
	int c;

	while ((c = getopt_long(argc, argv, "c:fhtV", names, NULL)) != -1) {
		switch (c) {
		case 'c':
			o.file = optarg;
			break;
		case 'f':
			o.foreground = true;
			break;
		case 't':
			o.check_only = true;
			break;
		case 'V':
			puts("onionmxd " VERSION);
			exit(0);
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: unexpected argument '%s'\n", argv[0], argv[optind]);
		usage(stderr);
		exit(2);
	}
	return o;
}

/* Nothing of ours may get the number of a standard stream: it would be closed on the way
 * to the background, or be written to. */
static bool
open_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd >= 0 && close(fd) == 0;
}

/* Leaves a child in the background and waits in the parent until the child is ready or
 * has failed. Returns, in the child only, where to write a byte then; -1 on failure. */
static int
go_to_background(void)
{
	int ready[2];
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	switch (fork()) {
	case -1:
		return -1;
	case 0:
		close(ready[0]);
		setsid();
		return ready[1];
	default:
		close(ready[1]);
		_exit(read(ready[0], &byte, 1) == 1 ? 0 : 1);
	}
}

/* Until now faults were printed where they can be seen. */
static bool
leave_terminal(int ready, enum log_level level)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || chdir("/") < 0) {
		log_error("can't run in the background");
		return false;
	}
	log_open(true, level);
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	(void)!write(ready, "", 1);
	close(ready);
	return true;
}

/* Serves until the end. Returns the exit status. ready is -1 in the foreground. */
static int
serve(struct daemon *d, const struct config *config, int ready)
{
	struct pid_file pid;
	bool good = pid_file_open(&pid, config->pid_file) &&
		    process_change_user(config) && daemon_start(d) &&
		    pid_file_write(&pid) &&
		    (ready < 0 || leave_terminal(ready, config->log_level));

	if (good)
		daemon_run(d);
	pid_file_close(&pid);
	return good ? 0 : 1;
}

static int
test(const char *file)
{
	if (!config_load_test(file))
		return 1;
	puts("configuration is good");
	return 0;
}

int
main(int argc, char **argv)
{
	struct options o;
	struct config *config;
	struct daemon *d;
	int ready = -1, status;

	process_keep_secret();
	if (!open_standard_streams()) {
		log_error("/dev/null");
		return 1;
	}
	o = parse_options(argc, argv);
	/* What the resolver's library makes of the environment isn't ours. */
	unsetenv("RES_OPTIONS");
	unsetenv("LOCALDOMAIN");
	if (!resolver_library_fits())
		return 1;
	if (!o.foreground && !o.check_only && (ready = go_to_background()) < 0) {
		log_error("can't run in the background");
		return 1;
	}
	if (o.check_only)
		return test(o.file);
	if ((config = config_load(o.file)) == NULL)
		return 1;
	log_open(false, config->log_level);
	d = process_may_start(config) ? daemon_open(config) : NULL;
	status = d == NULL ? 1 : serve(d, config, ready);
	daemon_close(d);
	config_free(config);
	return status;
}
