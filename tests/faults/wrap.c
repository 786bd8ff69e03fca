/* A program with sanitizers has a malloc of its own, in which no library can make a call
 * fail. So this is linked into it (ld --wrap): it asks the preloaded library first. What
 * libraries allocate doesn't fail then, but for c-ares: it calls noted_malloc(). */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *text);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *text);

static bool
fails(const char *call)
{
	static bool (*ask)(const char *);

	if (ask == NULL)
		ask = (bool (*)(const char *))dlsym(RTLD_DEFAULT, "faults_memory");
	return ask != NULL && ask(call);
}

void *
__wrap_malloc(size_t size)
{
	return fails("malloc") ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails("calloc") ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	return fails("realloc") ? NULL : __real_realloc(p, size);
}

char *
__wrap_strdup(const char *text)
{
	return fails("malloc") ? NULL : __real_strdup(text);
}
