#ifndef CLI_H
#define CLI_H

/* The command line of a program, as --help describes it and as shells complete it. The
 * tables are daemon/options.h and tools/commands.h: each row is an argument list of the
 * macro X. */

/* An option. value is the name of its argument, or NULL if it has none; help is one
 * sentence without a line break. */
struct cli_option {
	char letter;
	const char *name;
	const char *value;
	const char *help;
};

/* A command of onionmap. letters are the options that it knows, as getopt(3) takes them;
 * usage shows its options and operands; operands are what a shell offers for them, a
 * pattern of file names ("*.txt"), words, or nothing. */
struct cli_command {
	const char *name;
	const char *letters;
	const char *usage;
	const char *operands;
	const char *help;
};

#define CLI_OPTION(letter, name, value, help) {letter, name, value, help},

/* The same row for getopt_long(3). */
#define CLI_GETOPT(letter, name, value, help) {name, (value) != NULL, NULL, letter},

#endif
