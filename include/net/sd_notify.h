/* State changes reported to the service manager, as sd_notify(3) does. */
#ifndef NET_SD_NOTIFY_H
#define NET_SD_NOTIFY_H

/* Sends state, "READY=1" for example, in one datagram to the socket named by
 * NOTIFY_SOCKET in the environment. Does nothing without that variable. Failures are
 * ignored. */
void sd_notify_send(const char *state);

#endif
