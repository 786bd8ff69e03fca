/* The process: whom it belongs to, what it leaves behind, and what it tells of itself. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "config.h"

/* What is in memory is in no core file, and other processes of the user can't read it. */
void process_keep_secret(void);

/* May it run as the user who has started it, or change to the one of the configuration?
 * False is logged. Opens and changes nothing. */
bool process_may_start(const struct config *config);

/* Becomes that user for ever, if root has started it. Once all is open that needs root.
 * False on failure, logged. */
bool process_change_user(const struct config *config);

/* The file with the process id. It is made before the change of the user, with the
 * rights of who starts the daemon, and is empty until the daemon is ready. */
struct pid_file {
	const char *path; /* NULL: there is none */
	int fd;
	dev_t dev;
	ino_t ino;
};

/* Replaces what is there, and follows no link. path is kept by the caller, and may be
 * NULL. False on failure, logged. */
bool pid_file_open(struct pid_file *file, const char *path);

/* False on failure, logged. */
bool pid_file_write(const struct pid_file *file);

/* Removes it, if it still is ours. Where that isn't allowed any more, it becomes empty.
 */
void pid_file_close(struct pid_file *file);

#endif
