/* Domains that a text holds twice: the same route again is as wrong as another one,
 * for one of the two lines isn't what its author thinks it is. */
#ifndef TOOLS_REPEATS_H
#define TOOLS_REPEATS_H

#include <stdbool.h>

#include "input.h"
#include "report.h"
#include "seen.h"

/* Reports each line whose key an earlier one has; reads the input again if it has to.
 * False: it couldn't, errno tells. */
bool repeats_report(struct seen *, struct input *, struct report *);

#endif
