#include "config.h"

#include <stdlib.h>

bool
config_has_answer(const struct config *c, enum answer_style style)
{
	for (size_t i = 0; i < c->nlisteners; i++)
		if (c->listener[i].answer == style)
			return true;
	return false;
}

bool
config_has_bridge(const struct config *c)
{
	return config_has_answer(c, STYLE_BRIDGE);
}

/* Of all fields the strings. */
/* clang-format off */
#define FREE_STRING(ctype, name, ...) \
	free(_Generic(fields->name, char *: fields->name, default: NULL));
/* clang-format on */
#define FREE_NOTHING(ctype, name, ...)

static void
free_listener(struct listener_options *fields)
{
	CONFIG_LISTENER_KEYS(FREE_STRING, FREE_NOTHING)
	free(fields->net.name);
}

void
config_free(struct config *fields)
{
	if (fields == NULL)
		return;
	for (size_t i = 0; i < fields->nlisteners; i++)
		free_listener(&fields->listener[i]);
	free(fields->listener);
	CONFIG_KEYS(FREE_STRING, FREE_NOTHING)
	free(fields);
}
