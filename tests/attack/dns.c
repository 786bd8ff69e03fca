/* A DNS server for names that make trouble, as fast as there is one:
 *
 *	dns IPV4 PORT
 *
 * "dead" anywhere in a name: silence. "gone": it doesn't exist. Any other has an SRV
 * record for the onion in the environment's TARGET, or for the one that its first label
 * is, after 3 ms; after 30 ms if "slow" is in it. What isn't an SRV question doesn't
 * exist. It is one thread, and goes on until it is killed. */
#include "../bench/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PACKET_MAX 512
#define WAITING 4096 /* answers; more are lost */
#define NAME_MAX_TEXT 256

#define TYPE_SRV 33
#define RCODE_NXDOMAIN 3

/* Answers that wait for their time, which is the same for all of a queue. */
struct queue {
	uint64_t delay_ns;
	size_t head, n;
	struct waiting {
		uint64_t due;
		struct sockaddr_in to;
		size_t len;
		uint8_t packet[PACKET_MAX];
	} waiting[WAITING];
};

static struct queue soon = {.delay_ns = 3000000}, slow = {.delay_ns = 30000000};
static int udp;

static void
send_to(const struct sockaddr_in *to, const uint8_t *packet, size_t len)
{
	/* One that is lost is asked for again. */
	(void)!sendto(udp, packet, len, 0, (const struct sockaddr *)to, sizeof(*to));
}

static void
send_later(
	struct queue *q, const struct sockaddr_in *to, const uint8_t *packet, size_t len)
{
	struct waiting *w = &q->waiting[(q->head + q->n) % WAITING];

	if (q->n == WAITING)
		return;
	q->n++;
	w->due = now_ns() + q->delay_ns;
	w->to = *to;
	w->len = len;
	memcpy(w->packet, packet, len);
}

/* Nanoseconds until the next one, or UINT64_MAX. */
static uint64_t
send_due(struct queue *q)
{
	const uint64_t now = now_ns();

	while (q->n > 0 && q->waiting[q->head].due <= now) {
		struct waiting *w = &q->waiting[q->head];

		send_to(&w->to, w->packet, w->len);
		q->head = (q->head + 1) % WAITING;
		q->n--;
	}
	return q->n > 0 ? q->waiting[q->head].due - now : UINT64_MAX;
}

/* The name of the question as text, and where it ends; 0: there is none. */
static size_t
read_name(const uint8_t *packet, size_t len, char text[NAME_MAX_TEXT])
{
	size_t at = 12, n = 0;

	while (at < len && packet[at] != 0) {
		const size_t label = packet[at];

		if (label > 63 || at + 1 + label >= len || n + label + 1 >= NAME_MAX_TEXT)
			return 0;
		memcpy(text + n, packet + at + 1, label);
		n += label;
		text[n++] = '.';
		at += 1 + label;
	}
	text[n] = '\0';
	return at + 5 <= len ? at + 5 : 0;
}

static size_t
put_label(uint8_t *out, const char *label, size_t len)
{
	*out = (uint8_t)len;
	memcpy(out + 1, label, len);
	return 1 + len;
}

/* An SRV record for the onion service with this name, without ".onion". */
static size_t
put_srv(uint8_t *out, const char *onion, size_t len)
{
	static const uint8_t head[] = {
		0xc0, 12, 0, TYPE_SRV, 0, 1, 0, 0, 14, 16, 0, 0, 0, 10, 0, 10, 0, 25};
	size_t n = sizeof(head);

	memcpy(out, head, n);
	n += put_label(out + n, onion, len);
	n += put_label(out + n, "onion", 5);
	out[n++] = 0;
	out[11] = (uint8_t)(n - 12);
	return n;
}

/* The zone of all is the root. */
static size_t
put_soa(uint8_t *out)
{
	static const uint8_t soa[] = {0, 0, 6, 0, 1, 0, 0, 14, 16, 0, 22, 0, 0, 0, 0, 0,
		1, 0, 0, 14, 16, 0, 0, 14, 16, 0, 0, 14, 16, 0, 0, 14, 16};

	memcpy(out, soa, sizeof(soa));
	return sizeof(soa);
}

static void
answer(uint8_t *packet, size_t end, const char *name, const struct sockaddr_in *to)
{
	const char *target = getenv("TARGET"), *first = strchr(name, '.');
	const bool exists = packet[end - 3] == TYPE_SRV && strstr(name, "gone") == NULL;
	size_t len = target == NULL ? 0 : strlen(target);

	first = first == NULL ? "" : strchr(first + 1, '.'); /* _onion-mx._tcp. */
	if (first != NULL && *first == '.' && strcspn(first + 1, ".") == 56) {
		target = first + 1;
		len = 56;
	}
	packet[2] = 0x81;
	packet[3] = 0x80;
	memset(packet + 6, 0, 6);
	if (exists) {
		packet[7] = 1;
		end += put_srv(packet + end, target, len);
	} else {
		packet[3] |= *name == '\0' ? 0 : RCODE_NXDOMAIN;
		packet[9] = 1;
		end += put_soa(packet + end);
	}
	if (!exists)
		send_to(to, packet, end);
	else
		send_later(strstr(name, "slow") != NULL ? &slow : &soon, to, packet, end);
}

static void
take_questions(void)
{
	uint8_t packet[2 * PACKET_MAX];
	char name[NAME_MAX_TEXT];
	struct sockaddr_in from;
	ssize_t n;

	for (int i = 0; i < 256; i++) {
		socklen_t fromlen = sizeof(from);
		size_t end;

		n = recvfrom(udp, packet, PACKET_MAX / 2, MSG_DONTWAIT,
			(struct sockaddr *)&from, &fromlen);
		if (n < 0)
			return;
		end = n < 17 ? 0 : read_name(packet, (size_t)n, name);
		if (end > 0 && strstr(name, "dead") == NULL)
			answer(packet, end, name, &from);
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	const int room = 4 << 20;

	if (argc != 3 || inet_pton(AF_INET, argv[1], &in.sin_addr) != 1)
		errx(2, "usage: dns IPV4 PORT");
	in.sin_port = htons((uint16_t)number(argv[2]));
	udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (udp < 0 || bind(udp, (struct sockaddr *)&in, sizeof(in)) < 0)
		err(1, "%s:%s", argv[1], argv[2]);
	for (;;) {
		const uint64_t a = send_due(&soon), b = send_due(&slow);
		const uint64_t wait = a < b ? a : b;
		struct pollfd ready = {.fd = udp, .events = POLLIN};

		poll(&ready, 1,
			wait == UINT64_MAX ? -1 : (int)((wait + 999999) / 1000000));
		take_questions();
	}
}
