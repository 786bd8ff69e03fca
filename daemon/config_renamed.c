#include "config_renamed.h"

#include <stddef.h>
#include <string.h>

/* An old name that is still a key has no effect here. */
static const struct {
	const char *old, *now;
} renamed[] = {
	{"isolate", "bridge_isolation"},
	{"bridge", "bridge_network"},
	{"max_flights", "max_queries"},
};

const char *
config_renamed(const char *key)
{
	for (size_t i = 0; i < sizeof(renamed) / sizeof(renamed[0]); i++)
		if (strcmp(renamed[i].old, key) == 0)
			return renamed[i].now;
	return NULL;
}
