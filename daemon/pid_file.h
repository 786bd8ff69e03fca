/* The file with the process id. */
#ifndef PID_FILE_H
#define PID_FILE_H

#include <stdbool.h>
#include <sys/types.h>

/* It is made before the change of the user, with the rights of who starts the daemon, and
 * is empty until the daemon is ready. */
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
