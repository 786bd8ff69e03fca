#include "core/budget.h"

static void
add(struct budget *b, int64_t ns)
{
	const int64_t max = BUDGET_DEADLINES * b->deadline_ns;

	b->left_ns += ns;
	if (b->left_ns > max)
		b->left_ns = max;
	if (b->left_ns < 0)
		b->left_ns = 0;
}

void
budget_open(struct budget *b, int64_t deadline_ms, struct monotime now)
{
	*b = (struct budget){
		.deadline_ns = monotime_add_ms((struct monotime){0}, deadline_ms).ns,
		.grown = now};
	b->left_ns = BUDGET_DEADLINES * b->deadline_ns;
}

bool
budget_allows(struct budget *b, struct monotime now)
{
	add(b, (now.ns - b->grown.ns) / BUDGET_TIME_PART);
	b->grown = now;
	return b->left_ns >= b->deadline_ns;
}

void
budget_missed(struct budget *b, struct monotime since, struct monotime now)
{
	const struct monotime from = monotime_before(since, b->paid) ? b->paid : since;

	add(b, from.ns - now.ns);
	b->paid = now;
}

void
budget_met(struct budget *b)
{
	add(b, b->deadline_ns / BUDGET_MET_PART);
}
