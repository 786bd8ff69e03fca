/* The modules that read resolv.conf and addresses, each by itself.
 *
 * usage: resolvconf libc		the servers that glibc has from /etc/resolv.conf
 *        resolvconf read PATH		the servers that we have from a file
 *        resolvconf watch PATH		the same, and again after each change
 *        resolvconf address TEXT	an address of the configuration: as text again,
 *					without its zone, and the zone's number
 *
 * A server is a line "server ADDRESS[%NUMBER]", with a port if that isn't 53. What else
 * resolvconf_read() says has the lines "why WORDS" and "unusable LINES FIRST WORDS"; a
 * line "end" follows. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>

#include "net/addr.h"
#include "net/resolvconf.h"

static void
print_server(const struct sockaddr *sa)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
	char ip[INET6_ADDRSTRLEN];
	in_port_t port;

	if (sa->sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
		port = in6->sin6_port;
	} else {
		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
		port = in->sin_port;
	}
	printf("server %s", ip);
	if (sa->sa_family == AF_INET6 && in6->sin6_scope_id != 0)
		printf("%%%u", in6->sin6_scope_id);
	if (ntohs(port) != 53)
		printf(" port %u", ntohs(port));
	printf("\n");
}

static int
show_libc(void)
{
	struct __res_state state;

	memset(&state, 0, sizeof(state));
	if (res_ninit(&state) != 0) {
		printf("why %s\nend\n", strerror(errno));
		return 0;
	}
	for (int i = 0; i < state.nscount; i++)
		print_server(state.nsaddr_list[i].sin_family == AF_INET
				     ? (struct sockaddr *)&state.nsaddr_list[i]
				     : (struct sockaddr *)state._u._ext.nsaddrs[i]);
	printf("end\n");
	res_nclose(&state);
	return 0;
}

static void
show_file(const char *path, struct resolvconf *rc)
{
	resolvconf_read(path, rc);
	for (size_t i = 0; i < rc->n; i++)
		print_server((struct sockaddr *)&rc->servers[i].sa);
	if (rc->why != NULL)
		printf("why %s\n", rc->why);
	if (rc->unusable.lines > 0)
		printf("unusable %zu %zu %s\n", rc->unusable.lines, rc->unusable.first,
			rc->unusable.why);
	printf("end\n");
	fflush(stdout);
}

static bool
changed(void *arg)
{
	struct resolvconf rc;

	show_file(arg, &rc);
	return true;
}

static int
watch(char *path)
{
	struct loop *loop = loop_new();
	struct resolvconf_watch *w;
	struct resolvconf rc;

	if (loop == NULL)
		return 1;
	show_file(path, &rc);
	w = resolvconf_watch_start(loop, path, &rc, changed, path);
	if (w == NULL)
		return 1;
	loop_run(loop);
	resolvconf_watch_cancel(w);
	loop_free(loop);
	return 0;
}

static int
show_address(const char *text)
{
	struct net_addr addr, bare;
	char whole[NET_ADDR_TEXT], without[NET_ADDR_TEXT];
	const char *wrong = net_addr_parse(&addr, text, 53);

	if (wrong != NULL) {
		printf("%s\n", wrong);
		return 1;
	}
	net_addr_text(&addr, whole);
	bare = net_addr_without_zone(&addr);
	net_addr_text(&bare, without);
	printf("%s %s %u\n", whole, without, net_addr_zone(&addr));
	return 0;
}

int
main(int argc, char **argv)
{
	struct resolvconf rc;

	if (argc == 2 && strcmp(argv[1], "libc") == 0)
		return show_libc();
	if (argc == 3 && strcmp(argv[1], "address") == 0)
		return show_address(argv[2]);
	if (argc == 3 && strcmp(argv[1], "watch") == 0)
		return watch(argv[2]);
	if (argc != 3 || strcmp(argv[1], "read") != 0)
		errx(2, "usage: resolvconf libc | read PATH | watch PATH | address TEXT");
	show_file(argv[2], &rc);
	return 0;
}
