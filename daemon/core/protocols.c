#include "core/protocols.h"

#include <string.h>

#include "core/policy.h"
#include "core/readsocket.h"
#include "core/socketmap.h"
#include "core/tcp_table.h"

static const struct proto *const protos[] = {
	&proto_readsocket,
	&proto_tcp_table,
	&proto_socketmap,
	&proto_policy,
};

const struct proto *
protocols_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(protos) / sizeof(protos[0]); i++)
		if (strcmp(protos[i]->name, name) == 0)
			return protos[i];
	return NULL;
}
