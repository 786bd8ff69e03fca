/* Whose is the other end of a connection on this machine, and is it still there? */
#ifndef NET_PEER_UID_H
#define NET_PEER_UID_H

#include <netinet/in.h>
#include <sys/types.h>

enum peer {
	PEER_OPEN,    /* a process has it open */
	PEER_CLOSED,  /* none has, or it is gone: nobody reads what is sent to it */
	PEER_UNKNOWN, /* the kernel doesn't say */
};

/* Asks the kernel (sock_diag(7), or /proc/self/net if there is none) for the socket that
 * is bound to client and connected to server, the address of a socket of ours. *owner is
 * its user, set with PEER_OPEN only. With PEER_UNKNOWN, errno is EMFILE or ENFILE if
 * there was no file descriptor to ask. */
enum peer peer_uid_look(
	const struct sockaddr_in *client, const struct sockaddr_in *server, uid_t *owner);

/* The user at the other end of a connection that came to fd, if that is cheap to know: of
 * a Unix socket, or of TCP over IPv4 from this machine by sock_diag. Else PLACES_NOBODY.
 */
uid_t peer_uid_of(int fd);

#endif
