#include "net/statedir.h"

#include <sys/stat.h>
#include <unistd.h>

#include "net/log.h"

/* Whoever can write there could have the daemon answer with any route. */
bool
statedir_is_safe(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return true;
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		log_errorx("state_dir %s belongs to the user with the number %u: it must "
			   "belong to the daemon's user, whose number is %u",
			dir, (unsigned)st.st_uid, (unsigned)geteuid());
		return false;
	}
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return true;
	log_errorx("state_dir %s has the mode %04o: only its owner may be able to write "
		   "there (chmod go-w)",
		dir, (unsigned)st.st_mode & 07777);
	return false;
}
