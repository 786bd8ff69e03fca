#include "onionmap.h"

#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "version.h"

struct command {
	const char *name;
	const char *options; /* for getopt */
	int min, max;        /* operands */
	enum exit_status (*run)(const struct arguments *);
};

static const struct command commands[] = {
	{"compile", "+o:h", 1, 1, command_compile},
	{"check", "+h", 1, INT_MAX, command_check},
	{"query", "+h", 2, INT_MAX, command_query},
	{"dump", "+h", 1, 1, command_dump},
	{"explain", "+s:h", 1, 1, command_explain},
	{"pin", "+s:h", 1, 2, command_pin},
	{"counters", "+s:h", 0, 0, command_counters},
};

static const struct option long_options[] = {
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{"output", required_argument, NULL, 'o'},
	{"socket", required_argument, NULL, 's'},
	{NULL, 0, NULL, 0},
};

static const char help[] =
	"usage: onionmap compile [-o OUT.cdb] domains.txt\n"
	"       onionmap check domains.txt...\n"
	"       onionmap query MAP.cdb KEY...\n"
	"       onionmap dump MAP.cdb\n"
	"       onionmap explain [-s SOCKET] KEY\n"
	"       onionmap pin [-s SOCKET] list | held | accept DOMAIN\n"
	"       onionmap counters [-s SOCKET]\n"
	"       onionmap --help | --version\n"
	"\n"
	"compile  writes the map beside its text: domains.cdb from domains.txt. The "
	"text\n"
	"         \"-\" is standard input, and needs -o. A map in use is replaced at "
	"once;\n"
	"         if anything is wrong, the old one stays.\n"
	"check    does the checks of compile and writes nothing.\n"
	"query    says what the map says of addresses and domains, a line for each: "
	"KEY,\n"
	"         tab, targets or \"-\" (never over Tor), tab, the map's key. Or KEY, "
	"tab,\n"
	"         \"not found\".\n"
	"dump     writes a map as text.\n"
	"\n"
	"These ask a running onionmxd, by its control socket:\n"
	"explain  says step by step where the mail of an address or domain goes, and "
	"why.\n"
	"pin      lists the routes from DNS that are pinned, or their changes that are "
	"held\n"
	"         back, or accepts such a change.\n"
	"counters says what was counted.\n"
	"\n"
	"A line of the text is a domain and its targets, in the order in which to try "
	"them:\n"
	"    example.org    NAME.onion:2525, NAME2.onion   # a comment\n"
	"    .example.org   NAME.onion       # every name below it, but not example.org\n"
	"    intern.example -                # never over Tor\n"
	"    example.net    srv dnssec=require\n"
	"    mx:mx.example.com NAME.onion    # all domains whose mail server that is\n"
	"\n"
	"Exit status: 0 all is well; 1 the input has errors, or something failed; 2 "
	"wrong\n"
	"usage. For query: 0 all found, 1 at least one isn't, 3 the map can't be read or "
	"is\n"
	"damaged. For those that ask a daemon: 3 there is no answer.\n";

static enum exit_status
usage(void)
{
	fputs("try: onionmap --help\n", stderr);
	return STATUS_USAGE;
}

static enum exit_status
print(const char *text)
{
	if (fputs(text, stdout) != EOF && fflush(stdout) != EOF)
		return STATUS_OK;
	warn("standard output");
	return STATUS_ERRORS;
}

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

static enum exit_status
run(const struct command *c, int argc, char **argv)
{
	struct arguments args = {0};
	int opt;

	while ((opt = getopt_long(argc, argv, c->options, long_options, NULL)) != -1) {
		if (opt == 'h')
			return print(help);
		if (opt == '?' || strchr(c->options, opt) == NULL)
			return usage();
		if (opt == 'o')
			args.output = optarg;
		else
			args.socket = optarg;
	}
	args.n = argc - optind;
	args.operand = argv + optind;
	if (args.n < c->min || args.n > c->max) {
		warnx("%s: too %s arguments", c->name, args.n < c->min ? "few" : "many");
		return usage();
	}
	return c->run(&args);
}

/* No file may get the number of a standard stream: messages would end up in it. */
static bool
streams_open(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd >= 0 && close(fd) == 0;
}

static enum exit_status
dispatch(int argc, char **argv)
{
	const struct command *c;

	switch (getopt_long(argc, argv, "+hV", long_options, NULL)) {
	case -1:
		break;
	case 'h':
		return print(help);
	case 'V':
		return print("onionmap " VERSION "\n");
	default:
		return usage();
	}
	if (optind == argc) {
		warnx("no command");
		return usage();
	}
	if ((c = find_command(argv[optind])) == NULL) {
		warnx("no such command: %s", argv[optind]);
		return usage();
	}
	argc -= optind;
	argv += optind;
	optind = 1;
	return run(c, argc, argv);
}

int
main(int argc, char **argv)
{
	if (!streams_open())
		return STATUS_ERRORS;
	/* A file that grows beyond the limit is an error like a full disk. */
	signal(SIGXFSZ, SIG_IGN);
	return (int)dispatch(argc, argv);
}
