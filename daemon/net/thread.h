/* Threads of the daemon's own. */
#ifndef NET_THREAD_H
#define NET_THREAD_H

#include <pthread.h>

/* Starts a thread that calls run(arg), with all signals blocked: signals are handled by
 * the event loop's thread. The caller joins the thread. Returns 0 or an errno. */
int thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg);

#endif
