#include "onionmap.h"

#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "commands.h"
#include "version.h"

struct command {
	struct cli_command cli;
	int min, max; /* operands */
	enum exit_status (*run)(const struct arguments *);
};

#define COMMAND(name, letters, min, max, usage, operands, help)                          \
	{{#name, letters, usage, operands, help}, min, max, command_##name},

static const struct command commands[] = {ONIONMAP_COMMANDS(COMMAND)};

static const struct cli_option options[] = {ONIONMAP_OPTIONS(CLI_OPTION)};

static const struct option long_options[] = {
	ONIONMAP_OPTIONS(CLI_GETOPT) /* and the end: */
	{NULL, 0, NULL, 0},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const char explanation[] =
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
finish_output(void)
{
	if (!ferror(stdout) && fflush(stdout) != EOF)
		return STATUS_OK;
	warn("standard output");
	return STATUS_ERRORS;
}

/* A name, and its text beside it in a column of its own. */
static void
print_entry(const char *name, const char *text)
{
	const int indent = 8, width = 79;
	int column = printf("%-*s", indent, name);

	while (*text != '\0') {
		int length = (int)strcspn(text, " ");

		if (column + 1 + length > width)
			column = printf("\n%*s", indent, "") - 1;
		column += printf(" %.*s", length, text);
		text += length;
		text += strspn(text, " ");
	}
	putchar('\n');
}

static enum exit_status
print_help(void)
{
	bool asks_daemon = false;
	char name[32];

	for (size_t i = 0; i < COUNT(commands); i++)
		printf("%s onionmap %s %s\n", i == 0 ? "usage:" : "      ",
			commands[i].cli.name, commands[i].cli.usage);
	puts("       onionmap --help | --version\n");
	for (size_t i = 0; i < COUNT(commands); i++) {
		if (!asks_daemon && strchr(commands[i].cli.letters, 's') != NULL) {
			asks_daemon = true;
			puts("\nThese ask a running onionmxd, by its control socket:");
		}
		print_entry(commands[i].cli.name, commands[i].cli.help);
	}
	putchar('\n');
	for (size_t i = 0; i < COUNT(options); i++) {
		const struct cli_option *o = &options[i];

		snprintf(name, sizeof(name), "%s %s", o->name, o->value ? o->value : "");
		printf("  -%c, --%-16s%s\n", o->letter, name, o->help);
	}
	fputs(explanation, stdout);
	return finish_output();
}

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < COUNT(commands); i++)
		if (strcmp(name, commands[i].cli.name) == 0)
			return &commands[i];
	return NULL;
}

static enum exit_status
run(const struct command *c, int argc, char **argv)
{
	struct arguments args = {0};
	char letters[16];
	int opt;

	/* "+": options end where the operands begin. */
	snprintf(letters, sizeof(letters), "+%s", c->cli.letters);
	while ((opt = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
		if (opt == 'h')
			return print_help();
		if (opt == '?' || strchr(letters, opt) == NULL)
			return usage();
		if (opt == 'o')
			args.output = optarg;
		else
			args.socket = optarg;
	}
	args.n = argc - optind;
	args.operand = argv + optind;
	if (args.n < c->min || args.n > c->max) {
		warnx("%s: too %s arguments", c->cli.name,
			args.n < c->min ? "few" : "many");
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
		return print_help();
	case 'V':
		puts("onionmap " VERSION);
		return finish_output();
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
