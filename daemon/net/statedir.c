#include "net/statedir.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/log.h"

/* Whoever can write there could have the daemon answer with any route. */
const char *
statedir_wrong(const char *dir, uid_t user, char text[STATEDIR_WRONG])
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return NULL;
	if (st.st_uid != user && st.st_uid != 0 && user != STATEDIR_ANY_USER)
		snprintf(text, STATEDIR_WRONG,
			"belongs to the user with the number %u: it must belong to the "
			"daemon's user, whose number is %u",
			(unsigned)st.st_uid, (unsigned)user);
	else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		snprintf(text, STATEDIR_WRONG,
			"has the mode %04o: only its owner may be able to write there "
			"(chmod go-w)",
			(unsigned)st.st_mode & 07777);
	else
		return NULL;
	return text;
}

bool
statedir_is_safe(const char *dir)
{
	char text[STATEDIR_WRONG];
	const char *wrong = statedir_wrong(dir, geteuid(), text);

	if (wrong != NULL)
		log_errorx("state_dir %s %s", dir, wrong);
	return wrong == NULL;
}
