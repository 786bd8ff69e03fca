/* sd_notify(3), as far as it is needed: one datagram to the service manager. */
#ifndef NET_NOTIFY_H
#define NET_NOTIFY_H

/* "READY=1" and the like. Does nothing if nobody asked for it. */
void notify_manager(const char *state);

#endif
