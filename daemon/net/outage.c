#include "net/outage.h"

#include "net/log.h"

static void
report(struct outage *o, struct monotime now)
{
	if (o->unreported > 1)
		log_warnx(
			"%s %s is down: it doesn't answer; %u outages in the last %lld s",
			o->what, o->name, o->unreported,
			(long long)monotime_diff_ms(now, o->reported) / 1000);
	else
		log_warnx("%s %s is down: it doesn't answer", o->what, o->name);
	o->is_reported = true;
	o->reported = now;
	o->unreported = 0;
}

void
outage_seen(struct outage *o, struct monotime now)
{
	if (!o->is_on) {
		o->is_on = true;
		o->since = now;
		o->unreported++;
	}
	if (!o->is_reported &&
		(o->reported.ns == 0 ||
			monotime_reached(monotime_add_s(o->reported, OUTAGE_LOG_S), now)))
		report(o, now);
}

void
outage_over(struct outage *o, struct monotime now)
{
	if (o->is_reported)
		log_warnx("%s %s is back after %lld s", o->what, o->name,
			(long long)monotime_diff_ms(now, o->since) / 1000);
	o->is_on = o->is_reported = false;
}
