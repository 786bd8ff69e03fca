#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct address {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_un un;
	};
	socklen_t len;
};

static struct address
parse(const char *text)
{
	struct address a = {0};
	const char *colon = strrchr(text, ':');
	char host[INET_ADDRSTRLEN] = "";

	if (strncmp(text, "unix:", 5) == 0 && strlen(text + 5) < sizeof(a.un.sun_path)) {
		a.un.sun_family = AF_UNIX;
		strcpy(a.un.sun_path, text + 5);
		a.len = sizeof(a.un);
		return a;
	}
	if (colon != NULL && (size_t)(colon - text) < sizeof(host))
		memcpy(host, text, (size_t)(colon - text));
	a.in.sin_family = AF_INET;
	if (inet_pton(AF_INET, host, &a.in.sin_addr) != 1)
		errx(1, "%s: neither unix:PATH nor IPV4:PORT", text);
	a.in.sin_port = htons((uint16_t)number(colon + 1));
	a.len = sizeof(a.in);
	return a;
}

static int
new_socket(const struct address *a, int flags)
{
	int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (fd < 0)
		err(1, "socket");
	return fd;
}

static void
no_delay(int fd)
{
	const int on = 1;

	/* Of no use to a Unix socket, and no harm. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int
net_listen(const char *text)
{
	struct address a = parse(text);
	int fd = new_socket(&a, SOCK_NONBLOCK);
	const int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a.sa.sa_family == AF_UNIX)
		unlink(a.un.sun_path);
	if (bind(fd, &a.sa, a.len) < 0 || listen(fd, 4096) < 0)
		err(1, "%s", text);
	return fd;
}

int
net_connect(const char *text)
{
	struct address a = parse(text);
	int fd = new_socket(&a, 0);

	if (connect(fd, &a.sa, a.len) < 0)
		err(1, "%s", text);
	no_delay(fd);
	return fd;
}

int
net_accept(int listening)
{
	int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0 && errno != EAGAIN)
		err(1, "accept");
	if (fd >= 0)
		no_delay(fd);
	return fd;
}

uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

size_t
number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0')
		errx(1, "%s: not a number", text);
	return n;
}
