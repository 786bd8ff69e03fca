/* Domains that a text holds twice: the same route again is as wrong as another one,
 * for one of the two lines isn't what its author thinks it is. */
#ifndef TOOLS_DUP_REPORT_H
#define TOOLS_DUP_REPORT_H

#include <stdbool.h>

#include "dup_hash.h"
#include "input.h"
#include "report.h"

/* Reports each line whose key an earlier one has; reads the input again if it has to.
 * False: it couldn't, errno tells. */
bool dup_report_all(struct dup_hash *, struct input *, struct report *);

#endif
