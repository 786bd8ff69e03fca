/* Makes calls of the C library fail: preloaded into the daemon (LD_PRELOAD, ld.so(8)),
 * and told by a page of shared memory which call, how often and with what error. The path
 * of that page is in the environment, FAULTS. Nothing happens in other programs. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Those that send and receive are told apart by what the socket is, not by their names:
 * sendto and recvfrom stand for datagrams, the others for streams. read, write and pread
 * are those of files. */
#define CALLS(X)                                                                         \
	X(malloc)                                                                        \
	X(calloc)                                                                        \
	X(realloc)                                                                       \
	X(socket)                                                                        \
	X(bind)                                                                          \
	X(listen)                                                                        \
	X(accept4)                                                                       \
	X(connect)                                                                       \
	X(send)                                                                          \
	X(sendto)                                                                        \
	X(writev)                                                                        \
	X(recv)                                                                          \
	X(recvfrom)                                                                      \
	X(read)                                                                          \
	X(pread)                                                                         \
	X(write)                                                                         \
	X(open)                                                                          \
	X(fopen)                                                                         \
	X(fdopen)                                                                        \
	X(fflush)                                                                        \
	X(fclose)                                                                        \
	X(fsync)                                                                         \
	X(rename)                                                                        \
	X(unlink)                                                                        \
	X(link)                                                                          \
	X(stat)                                                                          \
	X(lstat)                                                                         \
	X(fstat)                                                                         \
	X(chmod)                                                                         \
	X(mmap)                                                                          \
	X(epoll_create1)                                                                 \
	X(epoll_ctl)                                                                     \
	X(epoll_wait)                                                                    \
	X(eventfd)                                                                       \
	X(pipe2)                                                                         \
	X(fork)                                                                          \
	X(waitpid)                                                                       \
	X(pthread_create)                                                                \
	X(setsockopt)                                                                    \
	X(getsockopt)                                                                    \
	X(getsockname)                                                                   \
	X(getpeername)

enum call {
#define NUMBER(name) CALL_##name,
	CALLS(NUMBER) CALL_COUNT
#undef NUMBER
};

static const char *const names[] = {
#define NAME(name) #name,
	CALLS(NAME)
#undef NAME
};

/* shim.py has it, too, and writes what is armed last. */
struct page {
	_Atomic uint32_t armed; /* the call that is to fail, from 1; 0: none */
	uint32_t error;         /* an errno; 0: only a part is read or written */
	_Atomic int64_t before; /* that go well first */
	_Atomic int64_t length; /* that fail then */
	_Atomic int64_t failed;
	_Atomic int64_t counted[CALL_COUNT];
};

#define TRACES_MAX 3 /* of one fault */

static struct page *page;
static int traces = -1; /* a file */

/* Who has called, for addr2line. */
static void
trace(const char *what)
{
	static _Thread_local bool busy;
	void *frames[24];

	if (busy)
		return;
	busy = true;
	dprintf(traces, "%s:\n", what);
	backtrace_symbols_fd(frames, backtrace(frames, 24), traces);
	busy = false;
}

static void
crashed(int signo)
{
	trace(strsignal(signo));
	signal(signo, SIG_DFL);
	raise(signo);
}

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("FAULTS");
	char trace_path[4096];
	int fd;
	void *p;

	if (path == NULL || strcmp(program_invocation_short_name, "onionmxd") != 0)
		return;
	snprintf(trace_path, sizeof(trace_path), "%s.trace", path);
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	traces = (int)syscall(SYS_openat, AT_FDCWD, trace_path,
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	p = (void *)syscall(SYS_mmap, NULL, sizeof(*page), PROT_READ | PROT_WRITE,
		MAP_SHARED, fd, (off_t)0);
	if (p == MAP_FAILED || traces < 0)
		abort();
	close(fd);
	backtrace((void *[1]){NULL}, 1); /* loads a library now, by malloc */
	if (dlsym(RTLD_DEFAULT, "__asan_init") == NULL) {
		signal(SIGSEGV, crashed);
		signal(SIGABRT, crashed);
	}
	page = p;
}

/* Whether this one fails, with errno set. */
static bool
fails(enum call call)
{
	int64_t before;

	if (page == NULL)
		return false;
	atomic_fetch_add(&page->counted[call], 1);
	if (atomic_load(&page->armed) != call + 1U)
		return false;
	before = atomic_fetch_sub(&page->before, 1);
	if (before > 0 || before <= -atomic_load(&page->length))
		return false;
	if (atomic_fetch_add(&page->failed, 1) < TRACES_MAX)
		trace(names[call]);
	errno = (int)page->error;
	return true;
}

#define REAL(name)                                                                       \
	static __typeof__(name) *real;                                                   \
	if (real == NULL)                                                                \
	real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* Memory. dlsym needs some, so these are glibc's by other names. */

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

void *
malloc(size_t size)
{
	return fails(CALL_malloc) ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	return fails(CALL_calloc) ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t size)
{
	return fails(CALL_realloc) ? NULL : __libc_realloc(p, size);
}

/* For a daemon with a malloc of its own, which asks first: see wrap.c. */
bool faults_memory(const char *call);

bool
faults_memory(const char *call)
{
	return fails(call[0] == 'm'   ? CALL_malloc
		     : call[0] == 'c' ? CALL_calloc
				      : CALL_realloc);
}

/* Calls that return -1 and do nothing */

#define WRAP(name, parameters, arguments)                                                \
	int name parameters                                                              \
	{                                                                                \
		REAL(name);                                                              \
		return fails(CALL_##name) ? -1 : real arguments;                         \
	}

WRAP(socket, (int family, int type, int protocol), (family, type, protocol))
WRAP(bind, (int fd, const struct sockaddr *sa, socklen_t len), (fd, sa, len))
WRAP(listen, (int fd, int backlog), (fd, backlog))
WRAP(accept4, (int fd, struct sockaddr *sa, socklen_t *len, int flags),
	(fd, sa, len, flags))
WRAP(connect, (int fd, const struct sockaddr *sa, socklen_t len), (fd, sa, len))
WRAP(fsync, (int fd), (fd))
WRAP(rename, (const char *from, const char *to), (from, to))
WRAP(unlink, (const char *path), (path))
WRAP(link, (const char *from, const char *to), (from, to))
WRAP(stat, (const char *path, struct stat *st), (path, st))
WRAP(lstat, (const char *path, struct stat *st), (path, st))
WRAP(fstat, (int fd, struct stat *st), (fd, st))
WRAP(chmod, (const char *path, mode_t mode), (path, mode))
WRAP(epoll_create1, (int flags), (flags))
WRAP(epoll_ctl, (int epfd, int op, int fd, struct epoll_event *e), (epfd, op, fd, e))
WRAP(epoll_wait, (int epfd, struct epoll_event *e, int n, int ms), (epfd, e, n, ms))
WRAP(eventfd, (unsigned value, int flags), (value, flags))
WRAP(pipe2, (int fds[2], int flags), (fds, flags))
WRAP(fork, (void), ())
WRAP(waitpid, (pid_t pid, int *status, int options), (pid, status, options))
WRAP(setsockopt, (int fd, int level, int name, const void *value, socklen_t len),
	(fd, level, name, value, len))
WRAP(getsockopt, (int fd, int level, int name, void *value, socklen_t *len),
	(fd, level, name, value, len))
WRAP(getsockname, (int fd, struct sockaddr *sa, socklen_t *len), (fd, sa, len))
WRAP(getpeername, (int fd, struct sockaddr *sa, socklen_t *len), (fd, sa, len))

int
pthread_create(
	pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	REAL(pthread_create);
	return fails(CALL_pthread_create) ? errno : real(thread, attr, run, arg);
}

void *
mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (fails(CALL_mmap))
		return MAP_FAILED;
	return (void *)syscall(SYS_mmap, at, len, prot, flags, fd, offset);
}

/* Files */

int
open(const char *path, int flags, ...)
{
	mode_t mode = 0;

	if (flags & O_CREAT) {
		va_list args;

		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	if (fails(CALL_open))
		return -1;
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

FILE *
fopen(const char *path, const char *mode)
{
	REAL(fopen);
	return fails(CALL_fopen) ? NULL : real(path, mode);
}

FILE *
fdopen(int fd, const char *mode)
{
	REAL(fdopen);
	return fails(CALL_fdopen) ? NULL : real(fd, mode);
}

int
fflush(FILE *f)
{
	REAL(fflush);
	return fails(CALL_fflush) ? EOF : real(f);
}

/* It closes all the same. */
int
fclose(FILE *f)
{
	int rc;

	REAL(fclose);
	rc = real(f);
	return fails(CALL_fclose) ? EOF : rc;
}

/* Reading and writing */

static bool
is_file(int fd)
{
	struct stat st;

	return syscall(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode);
}

static bool
is_stream(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_STREAM;
}

/* How much is to be moved: all, a part, or -1 for nothing. */
static ssize_t
allotted(enum call call, size_t len)
{
	if (!fails(call))
		return (ssize_t)len;
	if (page->error != 0)
		return -1;
	return (ssize_t)(len + 1) / 2;
}

/* An error that ends a connection really does. */
static ssize_t
allotted_socket(int fd, enum call stream, enum call datagram, size_t len)
{
	ssize_t n;

	if (!is_stream(fd))
		return fails(datagram) ? -1 : (ssize_t)len;
	n = allotted(stream, len);
	if (n < 0 && (errno == ECONNRESET || errno == EPIPE || errno == ETIMEDOUT)) {
		shutdown(fd, SHUT_RDWR);
		errno = (int)page->error;
	}
	return n;
}

ssize_t
read(int fd, void *buf, size_t len)
{
	ssize_t n = is_file(fd) ? allotted(CALL_read, len) : (ssize_t)len;

	return n < 0 ? n : syscall(SYS_read, fd, buf, n);
}

ssize_t
pread(int fd, void *buf, size_t len, off_t offset)
{
	ssize_t n = is_file(fd) ? allotted(CALL_pread, len) : (ssize_t)len;

	return n < 0 ? n : syscall(SYS_pread64, fd, buf, n, offset);
}

ssize_t
write(int fd, const void *buf, size_t len)
{
	ssize_t n = is_file(fd) && fd > 2 ? allotted(CALL_write, len) : (ssize_t)len;

	return n < 0 ? n : syscall(SYS_write, fd, buf, n);
}

ssize_t
recv(int fd, void *buf, size_t len, int flags)
{
	ssize_t n = allotted_socket(fd, CALL_recv, CALL_recvfrom, len);

	return n < 0 ? n : syscall(SYS_recvfrom, fd, buf, n, flags, NULL, NULL);
}

ssize_t
recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *sa, socklen_t *salen)
{
	ssize_t n = allotted_socket(fd, CALL_recv, CALL_recvfrom, len);

	return n < 0 ? n : syscall(SYS_recvfrom, fd, buf, n, flags, sa, salen);
}

ssize_t
send(int fd, const void *buf, size_t len, int flags)
{
	ssize_t n = allotted_socket(fd, CALL_send, CALL_sendto, len);

	return n < 0 ? n : syscall(SYS_sendto, fd, buf, n, flags, NULL, 0);
}

ssize_t
sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *sa,
	socklen_t salen)
{
	ssize_t n = allotted_socket(fd, CALL_send, CALL_sendto, len);

	return n < 0 ? n : syscall(SYS_sendto, fd, buf, n, flags, sa, salen);
}

/* A part is the first piece. */
ssize_t
writev(int fd, const struct iovec *iov, int n)
{
	if (fails(CALL_writev)) {
		if (page->error != 0)
			return -1;
		n = 1;
	}
	return syscall(SYS_writev, fd, iov, n);
}
