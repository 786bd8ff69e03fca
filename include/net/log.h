/* One line a call, to standard error or to syslog (LOG_MAIL). Domains and addresses of
 * people may appear at LOG_LEVEL_DEBUG only. */
#ifndef NET_LOG_H
#define NET_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* What is above the level is dropped. Before the first call: standard error, info. */
void log_open(bool to_syslog, enum log_level);

#define LOG_PRINTF __attribute__((format(printf, 1, 2)))

LOG_PRINTF void log_error(const char *, ...); /* appends errno's text */
LOG_PRINTF void log_errorx(const char *, ...);
LOG_PRINTF void log_warn(const char *, ...); /* appends errno's text */
LOG_PRINTF void log_warnx(const char *, ...);
LOG_PRINTF void log_info(const char *, ...);
LOG_PRINTF void log_debug(const char *, ...);
LOG_PRINTF void log_report(const char *, ...); /* was asked for: at every level */

#endif
