/* Runs a program under a system-call filter that is already compiled:
 *
 *	filtered FILTER PROGRAM [ARGUMENT...]
 *
 * Small, since most tests of the daemon start it by this. */
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <err.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	static struct sock_filter code[BPF_MAXINSNS];
	struct sock_fprog filter = {.filter = code};
	ssize_t n;
	int fd;

	if (argc < 3)
		errx(2, "usage: filtered FILTER PROGRAM [ARGUMENT...]");
	if ((fd = open(argv[1], O_RDONLY | O_CLOEXEC)) < 0 ||
		(n = read(fd, code, sizeof(code))) < 0)
		err(2, "%s", argv[1]);
	filter.len = (unsigned short)((size_t)n / sizeof(code[0]));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0)
		err(2, "seccomp");
	execv(argv[2], argv + 2);
	err(2, "%s", argv[2]);
}
