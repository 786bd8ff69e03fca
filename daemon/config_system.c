#include "config_system.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/mapfile.h"
#include "net/statedir.h"

static const struct config_mark *
global(const struct config_file *f, const char *key)
{
	return config_file_mark(&f->block[0], key);
}

/* NULL: it is a directory. */
static const char *
no_directory(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return strerror(errno);
	return S_ISDIR(st.st_mode) ? NULL : strerror(ENOTDIR);
}

/* A file or socket of the daemon's needs its directory. kind is "unix:" or "". */
static void
check_parent(struct config_file *f, const struct config_mark *mark, const char *key,
	const char *kind, const char *path)
{
	char directory[CONFIG_VALUE_MAX + 1];
	const char *wrong, *slash;

	if (path == NULL || mark->is_bad)
		return;
	slash = strrchr(path, '/');
	snprintf(directory, sizeof(directory), "%.*s",
		(int)(slash > path ? slash - path : 1), path);
	if ((wrong = no_directory(directory)) != NULL)
		config_file_fault(f, mark->value, "%s = %s%s: the directory %s: %s", key,
			kind, path, directory, wrong);
}

static void
check_sockets(struct config_file *f)
{
	const struct config *c = f->config;

	check_parent(
		f, global(f, "control"), "control", "unix:", net_addr_path(&c->control));
	check_parent(f, global(f, "pid_file"), "pid_file", "", c->pid_file);
	for (size_t i = 0; i < f->nblocks; i++) {
		const struct config_block *b = &f->block[i];
		const struct listener_options *l = config_file_struct(f, b);

		if (b->section->name != NULL)
			check_parent(f, config_file_mark(b, "address"), "address",
				"unix:", net_addr_path(&l->address));
	}
}

/* Who starts the daemon isn't known if it is root who asks, and no user is set. */
static void
check_state_dir(struct config_file *f)
{
	const struct config *c = f->config;
	const struct config_mark *mark = global(f, "state_dir");
	const uid_t user = c->user != NULL  ? c->uid
			   : geteuid() != 0 ? geteuid()
					    : STATEDIR_ANY_USER;
	char text[STATEDIR_WRONG];
	const char *wrong;

	if (c->state_dir == NULL || mark->is_bad)
		return;
	if ((wrong = no_directory(c->state_dir)) == NULL)
		wrong = statedir_wrong(c->state_dir, user, text);
	if (wrong != NULL)
		config_file_fault(
			f, mark->value, "state_dir = %s: %s", c->state_dir, wrong);
}

/* One that is there is loaded as at a start. */
static void
check_map(struct config_file *f)
{
	const struct config *c = f->config;
	struct counters counters = {0};
	struct mapfile *map;

	if (c->map == NULL || global(f, "map")->is_bad)
		return;
	if (access(c->map, R_OK) < 0) {
		config_file_fault(f, global(f, "map")->value, "map = %s: %s", c->map,
			strerror(errno));
		return;
	}
	if ((map = mapfile_open(c->map, (size_t)c->map_max_bytes, &counters)) == NULL)
		f->is_good = false;
	mapfile_free(map);
}

void
config_system_check(struct config_file *f)
{
	check_map(f);
	check_state_dir(f);
	check_sockets(f);
}
