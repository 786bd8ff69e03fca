#include "config_load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_check.h"
#include "config_file.h"
#include "config_system.h"
#include "config_text.h"

/* The sockets are made before the daemon changes to its user, and are that user's. */
static void
give_to_user(const struct config *c, struct listener_config *l)
{
	if (c->user == NULL || c->uid == geteuid() || geteuid() != 0)
		return;
	if (l->owner == (uid_t)-1)
		l->owner = c->uid;
	if (l->group == (gid_t)-1)
		l->group = c->gid;
}

/* What it tells is for the operator only. */
static void
complete_control(struct config *c)
{
	static char name[] = "control";

	c->has_control = c->control.len > 0;
	c->control_socket = (struct listener_config){.name = name,
		.addr = c->control,
		.mode = 0600,
		.owner = (uid_t)-1,
		.group = (gid_t)-1};
	give_to_user(c, &c->control_socket);
}

static void
complete_listener(const struct config *c, struct listener_options *l)
{
	l->net.addr = l->address;
	l->net.max_clients = (size_t)l->max_clients;
	l->net.mode = l->mode;
	l->net.owner = l->owner;
	l->net.group = l->group;
	give_to_user(c, &l->net);
}

/* What follows from the keys. */
static void
complete(struct config_file *f)
{
	struct config *c = f->config;

	c->any_bridge_user = config_file_mark(&f->block[0], "bridge_users")->is_set &&
			     c->nbridge_users == 0;
	complete_control(c);
	for (size_t i = 0; i < c->nlisteners; i++)
		complete_listener(c, &c->listener[i]);
}

/* NULL: the file couldn't be read, which has been printed. Free its config, too. */
static struct config_file *
read_file(const char *path)
{
	struct config *c = calloc(1, sizeof(*c));
	struct config_file *f = NULL;
	size_t len;
	char *text = c != NULL ? config_text_read(path, &len) : NULL;

	if (text != NULL)
		f = config_file_read(path, text, len, c);
	if (f == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		config_free(c);
	} else if (f->nblocks > 0) {
		complete(f);
		config_check(f);
	}
	free(text);
	return f;
}

struct config *
config_load(const char *path)
{
	struct config_file *f = read_file(path);
	struct config *c = f != NULL ? f->config : NULL;

	if (f != NULL && !f->is_good) {
		config_free(c);
		c = NULL;
	}
	config_file_free(f);
	return c;
}

bool
config_load_test(const char *path)
{
	struct config_file *f = read_file(path);
	bool good;

	if (f == NULL)
		return false;
	if (f->nblocks > 0)
		config_system_check(f);
	good = f->is_good;
	config_free(f->config);
	config_file_free(f);
	return good;
}
