/* completion SHELL PROGRAM: writes what bash or zsh needs to complete the command line of
 * one of the two programs, from the tables that their --help is printed from. It runs in
 * the build and isn't installed. */

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "commands.h"
#include "options.h"

#define COMMAND(name, letters, min, max, usage, operands, help)                          \
	{#name, letters, usage, operands, help},

static const struct cli_option onionmxd[] = {ONIONMXD_OPTIONS(CLI_OPTION){0}};
static const struct cli_option onionmap[] = {ONIONMAP_OPTIONS(CLI_OPTION){0}};
static const struct cli_command commands[] = {ONIONMAP_COMMANDS(COMMAND){0}};

static bool
has_letter(const char *letters, const struct cli_option *o)
{
	return letters == NULL || strchr(letters, o->letter) != NULL;
}

/* Options of the program itself, which have no command before them. */
static const char before_command[] = "Vh";

/* bash */

/* letters: only these options; NULL for all. */
static void
bash_options(const struct cli_option *options, const char *letters, bool with_value)
{
	const char *between = with_value ? "|" : " ", *separator = "";

	for (const struct cli_option *o = options; o->name != NULL; o++)
		if (has_letter(letters, o) && (!with_value || o->value != NULL)) {
			printf("%s-%c%s--%s", separator, o->letter, between, o->name);
			separator = between;
		}
}

static void
bash_head(const char *program, const struct cli_option *options)
{
	printf("# bash completion for %s. Made in the build from the table of its "
	       "--help.\n"
	       "\n"
	       "_%s()\n"
	       "{\n"
	       "\tlocal current=${COMP_WORDS[COMP_CWORD]} "
	       "previous=${COMP_WORDS[COMP_CWORD-1]}\n"
	       "\tlocal options words= pattern=\n"
	       "\n"
	       "\tCOMPREPLY=()\n"
	       "\tcase $previous in\n"
	       "\t",
		program, program);
	bash_options(options, NULL, true);
	printf(")\n"
	       "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
	       "\t\treturn\n"
	       "\t\t;;\n"
	       "\tesac\n");
}

static void
bash_tail(const char *program)
{
	printf("\tif [[ $current == -* ]]; then\n"
	       "\t\tmapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$current\")\n"
	       "\telif [[ -n $pattern ]]; then\n"
	       "\t\tmapfile -t COMPREPLY < <(compgen -f -X \"!$pattern\" -- "
	       "\"$current\"\n"
	       "\t\t\tcompgen -d -- \"$current\")\n"
	       "\telif [[ -n $words ]]; then\n"
	       "\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
	       "\tfi\n"
	       "} &&\n"
	       "\tcomplete -o filenames -F _%s %s\n",
		program, program);
}

static void
bash_commands(void)
{
	printf("\tif ((COMP_CWORD == 1)); then\n\t\twords=\"");
	for (const struct cli_command *c = commands; c->name != NULL; c++)
		printf("%s%s", c == commands ? "" : " ", c->name);
	printf("\"\n\t\toptions=\"");
	bash_options(onionmap, before_command, false);
	printf("\"\n\telse\n\t\tcase ${COMP_WORDS[1]} in\n");
	for (const struct cli_command *c = commands; c->name != NULL; c++) {
		printf("\t\t%s)\n\t\t\toptions=\"", c->name);
		bash_options(onionmap, c->letters, false);
		printf("\"\n");
		if (*c->operands != '\0')
			printf("\t\t\t%s=\"%s\"\n",
				*c->operands == '*' ? "pattern" : "words", c->operands);
		printf("\t\t\t;;\n");
	}
	printf("\t\tesac\n\tfi\n");
}

/* zsh */

/* Ends a clause: a mark that no word goes on behind, as one goes on in a file's name. */
static bool
is_stop(const char *text)
{
	return strchr(".:;", text[0]) != NULL && (text[1] == ' ' || text[1] == '\0');
}

/* A help text up to its first stop, for single quotes. */
static void
zsh_text(const char *text)
{
	for (; *text != '\0' && !is_stop(text); text++)
		if (*text == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*text);
}

static void
zsh_options(const struct cli_option *options, const char *letters)
{
	for (const struct cli_option *o = options; o->name != NULL; o++) {
		if (!has_letter(letters, o))
			continue;
		printf(" \\\n\t\t%s{-%c,--%s}'[", o->value ? "" : "'(- *)'", o->letter,
			o->name);
		zsh_text(o->help);
		printf("]%s%s%s'", o->value ? ":" : "", o->value ? o->value : "",
			o->value ? ":_files" : "");
	}
}

static void
zsh_operands(const char *operands)
{
	if (*operands == '*')
		printf(" \\\n\t\t'*:file:_files -g \"%s\"'", operands);
	else if (*operands != '\0')
		printf(" \\\n\t\t'1:what:(%s)'", operands);
}

static void
zsh_commands(void)
{
	printf("_onionmap_commands()\n{\n\tlocal -a commands=(\n");
	for (const struct cli_command *c = commands; c->name != NULL; c++) {
		printf("\t\t'%s:", c->name);
		zsh_text(c->help);
		printf("'\n");
	}
	printf("\t)\n\t_describe command commands\n}\n\n"
	       "_onionmap()\n{\n\tlocal curcontext=$curcontext state line\n\n"
	       "\t_arguments -C");
	zsh_options(onionmap, before_command);
	printf(" \\\n\t\t'1:command:_onionmap_commands' \\\n\t\t'*::operand:->operand'\n"
	       "\t[[ $state == operand ]] || return\n"
	       "\tcase $words[1] in\n");
	for (const struct cli_command *c = commands; c->name != NULL; c++) {
		printf("\t%s)\n\t\t_arguments", c->name);
		zsh_options(onionmap, c->letters);
		zsh_operands(c->operands);
		printf("\n\t\t;;\n");
	}
	printf("\tesac\n}\n\n_onionmap \"$@\"\n");
}

static void
write_bash(bool is_daemon)
{
	bash_head(is_daemon ? "onionmxd" : "onionmap", is_daemon ? onionmxd : onionmap);
	if (is_daemon) {
		printf("\toptions=\"");
		bash_options(onionmxd, NULL, false);
		printf("\"\n");
	} else {
		bash_commands();
	}
	bash_tail(is_daemon ? "onionmxd" : "onionmap");
}

static void
write_zsh(bool is_daemon)
{
	printf("#compdef %s\n# Made in the build from the table of its --help.\n\n",
		is_daemon ? "onionmxd" : "onionmap");
	if (is_daemon) {
		printf("_arguments");
		zsh_options(onionmxd, NULL);
		putchar('\n');
	} else {
		zsh_commands();
	}
}

int
main(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: completion bash|zsh onionmxd|onionmap\n", stderr);
		return 2;
	}
	if (strcmp(argv[1], "bash") == 0)
		write_bash(strcmp(argv[2], "onionmxd") == 0);
	else
		write_zsh(strcmp(argv[2], "onionmxd") == 0);
	return ferror(stdout) || fflush(stdout) == EOF;
}
