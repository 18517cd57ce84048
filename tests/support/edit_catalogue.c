/* SPDX-License-Identifier: Apache-2.0 */
/* Runs SQL on the catalogue of a home and seals it anew, for scripts that let time pass in it:
 *   edit_catalogue HOME SQL */
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/home_world.h"

int main(int argc, char **argv)
{
	struct clv_ctx_options options = { .allow_unlocked_memory = true };
	struct home_world w = { 0 };

	if (argc != 3 || snprintf(w.home, sizeof w.home, "%s", argv[1]) >= (int) sizeof w.home)
		return EXIT_FAILURE;
	options.home = w.home;
	if (clv_ctx_open(&options, &w.ctx, &w.err) != CLV_OK) {
		fprintf(stderr, "edit_catalogue: %s\n", w.err.text);
		return EXIT_FAILURE;
	}
	world_sql(&w, argv[2]);
	clv_ctx_free(w.ctx);
	return EXIT_SUCCESS;
}
