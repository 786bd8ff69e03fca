#include "core/map_key.h"

#include <string.h>

bool
map_key_valid(const char *key, size_t len)
{
	const size_t mx = strlen(MAP_KEY_MX);

	if (len >= mx && memcmp(key, MAP_KEY_MX, mx) == 0) {
		key += mx;
		len -= mx;
	}
	if (len > 0 && key[0] == '.') {
		key++;
		len--;
	}
	return domain_is_canonical(key, len);
}

void
map_key_start(struct map_key *k, const char *prefix, const struct domain *domain)
{
	k->prefix = prefix;
	k->prefixlen = strlen(prefix);
	k->name = domain->text;
	k->is_exact = false;
	if (k->prefixlen > 0)
		k->name = memcpy(k->buffer + k->prefixlen, domain->text, domain->len);
	k->end = k->name + domain->len;
}

bool
map_key_next(struct map_key *k)
{
	if (k->name == NULL)
		return false;
	k->is_exact = *k->name != '.';
	k->key = k->name - k->prefixlen;
	k->len = (size_t)(k->end - k->key);
	/* Over the labels that aren't asked for any more. */
	if (k->prefixlen > 0)
		memcpy(k->buffer + (k->key - k->buffer), k->prefix, k->prefixlen);
	k->name = memchr(k->name + 1, '.', (size_t)(k->end - k->name) - 1);
	return true;
}
