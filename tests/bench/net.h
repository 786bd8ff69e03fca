/* What the programs of the benchmark share. Each is one thread, and gives up at once when
 * something is wrong. */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At unix:PATH or IPV4:PORT. Doesn't block. */
int net_listen(const char *address);

/* Connected; blocks. */
int net_connect(const char *address);

/* A client that doesn't block; -1: there is none. */
int net_accept(int listening);

uint64_t now_ns(void);

/* A number of the command line, or the end. */
size_t number(const char *text);

#endif
