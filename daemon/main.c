#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "daemon.h"
#include "version.h"

struct options {
	const char *file;
	bool check_only;
	bool foreground;
};

static void
usage(FILE *to)
{
	fputs("usage: onionmxd [-fhtV] [-c FILE]\n"
	      "\n"
	      "Tells mail servers which Tor onion service takes the mail of a domain.\n"
	      "\n"
	      "  -c, --config FILE   the configuration, instead of\n"
	      "                      " CONFIG_DEFAULT_FILE "\n"
	      "  -f, --foreground    stay in the foreground and log to standard error\n"
	      "  -t, --test          check the configuration and exit\n"
	      "  -V, --version       print the version and exit\n"
	      "  -h, --help          print this and exit\n",
		to);
}

static struct options
parse_options(int argc, char **argv)
{
	static const struct option names[] = {
		{"config", required_argument, NULL, 'c'},
		{"foreground", no_argument, NULL, 'f'},
		{"test", no_argument, NULL, 't'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
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
		usage(stderr);
		exit(2);
	}
	return o;
}

/* Serves until the end, with a pid file if one is configured. Returns the exit status. */
static int
serve(struct daemon *d, const struct config *config, bool foreground)
{
	FILE *pid_file = NULL;
	bool ok;

	/* Opened before going to the background, so that a fault is seen. */
	if (config->pid_file != NULL &&
		(pid_file = fopen(config->pid_file, "we")) == NULL) {
		log_error("%s", config->pid_file);
		return 1;
	}
	if (!foreground) {
		log_open(true, config->log_level);
		if (daemon(0, 0) < 0) {
			log_error("can't go to the background");
			return 1;
		}
	}
	if (pid_file != NULL) {
		fprintf(pid_file, "%ld\n", (long)getpid());
		fclose(pid_file);
	}
	ok = daemon_run(d);
	if (pid_file != NULL)
		unlink(config->pid_file);
	return ok ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct options o = parse_options(argc, argv);
	struct config *config = config_load(o.file);
	struct daemon *d;
	int status = 0;

	if (config == NULL)
		return 1;
	log_open(false, config->log_level);
	if (!o.check_only) {
		d = daemon_open(config);
		status = d == NULL ? 1 : serve(d, config, o.foreground);
		daemon_close(d);
	}
	config_free(config);
	return status;
}
