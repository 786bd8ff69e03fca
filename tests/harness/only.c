/* Linked with each test of cmocka: CASE=test_name in the environment, which may have *
 * and
 * ?, runs only the cases of that name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

__attribute__((constructor)) static void
only(void)
{
	cmocka_set_test_filter(getenv("CASE"));
}
