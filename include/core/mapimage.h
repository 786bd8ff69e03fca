/* A compiled map in memory: a cdb file (https://cr.yp.to/cdb/cdb.txt), read and checked.
 * No function trusts a byte of it. */
#ifndef CORE_MAPIMAGE_H
#define CORE_MAPIMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/mapsum.h"
#include "core/onion.h"

/* What a file without records takes, and what a record adds to it. All positions in a cdb
 * are numbers of 32 bits. */
#define MAP_IMAGE_EMPTY 2048
#define MAP_IMAGE_RECORD(keylen, len) (8 + (keylen) + (len) + 16)
#define MAP_IMAGE_MAX UINT32_MAX

struct map_image {
	const unsigned char *data; /* belongs to the caller, stays and doesn't change */
	size_t size;
};

struct map_record {
	uint32_t position;
	const char *key; /* views of the image; the value stands right behind the key */
	size_t keylen;
	const char *value;
	size_t len;
};

enum map_image_status {
	MAP_IMAGE_FOUND,
	MAP_IMAGE_MISSING, /* or no record is left */
	MAP_IMAGE_DAMAGED,
};

/* Do the 256 hash tables that the header names follow the records without a gap, and end
 * the file? That of each cdb writer does, and one that was cut off or isn't a cdb
 * doesn't.
 */
bool map_image_is_whole(const struct map_image *);

/* The first record with this key: the one that every reader finds. The image is a whole
 * one. */
enum map_image_status map_image_find(
	const struct map_image *, const char *key, size_t keylen, struct map_record *);

/* The records as they stand in a whole image. *next is MAP_IMAGE_EMPTY for the first, and
 * is moved on. The checksum's is one of them. */
enum map_image_status map_image_next(
	const struct map_image *, uint32_t *next, struct map_record *);

/* The complete check, in portions. Every record is an entry that maprec_parse() and
 * map_key_valid() take, and is what is found by its key; there is no slot in the tables
 * beside those, and no byte that belongs to nothing. If there is a checksum, it is right,
 * and its record the last. About 230 kB: not for the stack. */
struct map_image_check {
	struct map_image image;
	uint32_t next;
	uint64_t records;
	bool has_sum; /* the map has a checksum; once it has been seen */
	struct map_sum sum;
	const char *wrong; /* what is wrong with the map; static */
	struct onion_memo memo;
};

enum map_check_status {
	MAP_CHECK_MORE,
	MAP_CHECK_GOOD,
	MAP_CHECK_BAD, /* see wrong */
};

void map_image_check_start(struct map_image_check *, const struct map_image *);

/* Looks at up to so many more records. To be called until it isn't MAP_CHECK_MORE. */
enum map_check_status map_image_check_more(struct map_image_check *, unsigned records);

#endif
