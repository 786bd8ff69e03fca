/* Routes as the mail servers read them. */
#ifndef CORE_RENDER_H
#define CORE_RENDER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/target.h"

/* What a listener answers with. */
enum answer_style {
	STYLE_ONION,   /* onion names, for a mail server that speaks to tor by name */
	STYLE_ADDRESS, /* tor's virtual IPv4 addresses */
	STYLE_BRIDGE,  /* an address of our own bridge */
	STYLES,
};

#define TRANSPORT_MAX 32

/* How a listener's answers look. */
struct render {
	enum answer_style style;
	const char *transport; /* of transport(5); only the table protocols use it */
	bool temp_as_retry;    /* they tell TEMP as "retry:4.4.3 onion route: REASON" */
};

/* A value is at most this long; targets at the end that don't fit are left out. It
 * takes 16 onion names with ports; only long subdomains can get past it. */
#define RENDER_MAX 2048
#define RENDER_TARGET_MAX (DOMAIN_MAX + sizeof(", []::65535"))

struct rendered {
	size_t len;
	unsigned left_out;                         /* targets */
	char text[RENDER_MAX + RENDER_TARGET_MAX]; /* and one that doesn't fit */
};

/* For Exim's manualroute: "10.192.0.5::2525:10.192.0.9", the host list of its route
 * data with doubled colons. The route has addresses. */
void render_hostlist(struct rendered *, const struct target_set *);

/* For Postfix's transport(5): "TRANSPORT:[NAME.onion]:25, [10.192.0.9]:2525". */
void render_nexthop(struct rendered *, const struct target_set *, const struct render *);

/* A name that can stand in master.cf: letters, digits, hyphen, underscore. */
bool render_transport_valid(const char *);

#endif
