#include "net/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#define REPORT (LOG_LEVEL_DEBUG + 1)

static const struct {
	const char *name;
	int priority;
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", LOG_ERR},
	[LOG_LEVEL_WARNING] = {"warning", LOG_WARNING},
	[LOG_LEVEL_INFO] = {"info", LOG_INFO},
	[LOG_LEVEL_DEBUG] = {"debug", LOG_DEBUG},
	[REPORT] = {"info", LOG_INFO},
};

static bool to_syslog;
static enum log_level max_level = LOG_LEVEL_INFO;

void
log_open(bool syslog, enum log_level level)
{
	if (syslog && !to_syslog)
		openlog("onionmxd", LOG_PID | LOG_NDELAY, LOG_MAIL);
	to_syslog = syslog;
	max_level = level;
}

__attribute__((format(printf, 3, 0))) static void
put(int level, int error, const char *format, va_list args)
{
	char text[1024];

	if (level > (int)max_level && level != REPORT)
		return;
	vsnprintf(text, sizeof(text), format, args);
	if (to_syslog)
		syslog(levels[level].priority, "%s%s%s", text, error ? ": " : "",
			error ? strerror(error) : "");
	else
		fprintf(stderr, "onionmxd: %s: %s%s%s\n", levels[level].name, text,
			error ? ": " : "", error ? strerror(error) : "");
}

#define DEFINE_LOG(name, level, error)                                                   \
	void name(const char *format, ...)                                               \
	{                                                                                \
		int saved = (error);                                                     \
		va_list args;                                                            \
		va_start(args, format);                                                  \
		put(level, saved, format, args);                                         \
		va_end(args);                                                            \
	}

DEFINE_LOG(log_error, LOG_LEVEL_ERROR, errno)
DEFINE_LOG(log_errorx, LOG_LEVEL_ERROR, 0)
DEFINE_LOG(log_warn, LOG_LEVEL_WARNING, errno)
DEFINE_LOG(log_warnx, LOG_LEVEL_WARNING, 0)
DEFINE_LOG(log_info, LOG_LEVEL_INFO, 0)
DEFINE_LOG(log_debug, LOG_LEVEL_DEBUG, 0)
DEFINE_LOG(log_report, REPORT, 0)
