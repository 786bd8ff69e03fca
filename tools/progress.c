#include "progress.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define BAR "####################"
#define WIDTH ((unsigned)sizeof(BAR) - 1)

void
progress_start(struct progress *p)
{
	*p = (struct progress){.wanted = isatty(STDERR_FILENO) == 1};
}

void
progress_show(struct progress *p, uint64_t done, uint64_t total)
{
	unsigned percent = done >= total ? 100 : (unsigned)(done * 100 / total);

	if (!p->wanted || (p->shown && percent == p->percent))
		return;
	p->shown = true;
	p->percent = percent;
	fprintf(stderr, "\r[%-*.*s] %3u %%", (int)WIDTH, (int)(percent * WIDTH / 100),
		BAR, percent);
}

void
progress_clear(struct progress *p)
{
	int error = errno;

	if (p->shown)
		fprintf(stderr, "\r%*s\r", (int)(WIDTH + sizeof("[] 100 %")), "");
	p->shown = false;
	errno = error;
}
