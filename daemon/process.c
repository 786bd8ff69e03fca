#include "process.h"

#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net/log.h"

void
process_keep_secret(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

bool
process_may_start(const struct config *c)
{
	if (geteuid() == 0) {
		if (c->user != NULL)
			return true;
		log_errorx("started as root: set \"user\" in the configuration to the "
			   "user that the daemon is to run as, or let the service "
			   "manager start it as that user");
		return false;
	}
	if (c->user == NULL || c->uid == geteuid())
		return true;
	log_errorx("user = %s: only a daemon that is started as root can change to "
		   "another user",
		c->user);
	return false;
}

/* No identity of root is left, and none can be had again. */
static bool
has_become(uid_t uid, gid_t gid)
{
	uid_t u[3];
	gid_t g[3];

	if (getresuid(&u[0], &u[1], &u[2]) < 0 || getresgid(&g[0], &g[1], &g[2]) < 0)
		return false;
	for (int i = 0; i < 3; i++)
		if (u[i] != uid || g[i] != gid)
			return false;
	return setresuid((uid_t)-1, 0, (uid_t)-1) < 0;
}

bool
process_change_user(const struct config *c)
{
	if (geteuid() != 0 || c->user == NULL || c->uid == 0)
		return true;
	if (initgroups(c->user, c->gid) < 0 || setresgid(c->gid, c->gid, c->gid) < 0 ||
		setresuid(c->uid, c->uid, c->uid) < 0) {
		log_error("can't change to the user %s", c->user);
		return false;
	}
	if (!has_become(c->uid, c->gid)) {
		log_errorx(
			"can't change to the user %s: rights of root are left", c->user);
		return false;
	}
	process_keep_secret(); /* the kernel has set it back */
	return true;
}
