/* Whose is the other end of a TCP connection on this machine? */
#ifndef NET_PEER_H
#define NET_PEER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/types.h>

/* Asks the kernel (sock_diag(7), or /proc/net/tcp if there is none) for the owner of the
 * socket that is bound to client and connected to server. False: it isn't known, the
 * client has closed it for example; errno is EMFILE or ENFILE if there was no file
 * descriptor to ask. */
bool peer_owner(
	const struct sockaddr_in *client, const struct sockaddr_in *server, uid_t *owner);

#endif
