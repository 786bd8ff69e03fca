#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "cli.h"
#include "commands.h"
#include "compile.h"
#include "daemon_client.h"
#include "query.h"
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

/* What is allowed instead. c: NULL if the command isn't known. */
static enum exit_status
usage(const struct command *c)
{
	if (c != NULL)
		fprintf(stderr, "usage: onionmap %s %s\n", c->cli.name, c->cli.usage);
	else
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

/* word: the one that getopt_long(3) has read last. */
static enum exit_status
wrong_option(const struct command *c, int opt, const char *word)
{
	const char *command = c == NULL ? "" : c->cli.name,
		   *colon = c == NULL ? "" : ": ";
	const bool is_long = strncmp(word, "--", 2) == 0;

	if (opt == ':')
		warnx("%s%soption %s needs a value", command, colon, word);
	else if (is_long || optopt == 0)
		warnx("%s%sunknown option %s", command, colon, word);
	else
		warnx("%s%sunknown option -%c", command, colon, optopt);
	return usage(c);
}

/* Only long options are known to all commands. */
static enum exit_status
foreign_option(const struct command *c, int index)
{
	warnx("%s: unknown option --%s", c->cli.name, long_options[index].name);
	return usage(c);
}

static enum exit_status
run_with(const struct command *c, const struct arguments *args)
{
	if (args->n < c->min) {
		warnx("%s: an argument is missing", c->cli.name);
		return usage(c);
	}
	if (args->n > c->max) {
		warnx("%s: unexpected argument %s", c->cli.name, args->operand[c->max]);
		return usage(c);
	}
	return c->run(args);
}

/* Options and operands come in any order. */
static enum exit_status
run(const struct command *c, int argc, char **argv)
{
	struct arguments args = {0};
	char letters[16];
	int opt, index = -1;

	snprintf(letters, sizeof(letters), ":%s", c->cli.letters);
	while ((opt = getopt_long(argc, argv, letters, long_options, &index)) != -1) {
		if (opt == 'h')
			return print_help();
		if (opt == '?' || opt == ':')
			return wrong_option(c, opt, argv[optind - 1]);
		if (strchr(letters, opt) == NULL) /* that of another command */
			return foreign_option(c, index);
		if (opt == 'o')
			args.output = optarg;
		else
			args.socket = optarg;
	}
	args.n = argc - optind;
	args.operand = argv + optind;
	return run_with(c, &args);
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
no_command(const char *wrong)
{
	if (wrong == NULL)
		fputs("onionmap: a command is missing: expected", stderr);
	else
		fprintf(stderr, "onionmap: unknown command %s: expected", wrong);
	for (size_t i = 0; i < COUNT(commands); i++)
		fprintf(stderr, "%s %s",
			i == 0                    ? ""
			: i + 1 < COUNT(commands) ? ","
						  : " or",
			commands[i].cli.name);
	putc('\n', stderr);
	return usage(NULL);
}

static enum exit_status
dispatch(int argc, char **argv)
{
	const struct command *c;
	int opt;

	opterr = 0;
	/* "+": what stands behind the command is the command's. */
	switch (opt = getopt_long(argc, argv, "+:hV", long_options, NULL)) {
	case -1:
		break;
	case 'h':
		return print_help();
	case 'V':
		puts("onionmap " VERSION);
		return finish_output();
	default:
		return wrong_option(NULL, opt, argv[optind - 1]);
	}
	if (optind == argc)
		return no_command(NULL);
	if ((c = find_command(argv[optind])) == NULL)
		return no_command(argv[optind]);
	argc -= optind;
	argv += optind;
	optind = 0; /* begins anew, as getopt(3) says of GNU's */
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
