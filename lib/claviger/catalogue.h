/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue's seal: is it what the tokens have seen, and what to do when it was put back from a
 * copy on purpose. See kmsctl-catalogue(1).
 */
#ifndef CLAVIGER_CATALOGUE_H
#define CLAVIGER_CATALOGUE_H

#include <claviger/ctx.h>

struct clv_catalogue_report {
	uint64_t n_rows;      /* looked at */
	uint64_t n_locations; /* that are sealed */
};

/*
 * Opens the token of each location and looks at every sealed row. Permission
 * claviger.catalogue.verify on the project. Errors: CLV_E_DATA_LOSS, naming the first row that is
 * not what was sealed; CLV_E_UNAVAILABLE a token is away.
 */
CLV_MUST_USE clv_rc clv_catalogue_verify(struct clv_ctx *ctx, const struct clv_caller *who,
					 struct clv_catalogue_report *ret_report,
					 struct clv_err *err);

struct clv_restoration {
	uint64_t epoch;      /* of the seal in the catalogue; 0: it has none */
	uint64_t newest;     /* epoch that the token has seen */
	uint64_t n_disabled; /* versions that were enabled in what was accepted */
};

/*
 * Takes the catalogue's rows of a location (a full name) as they are for good, and seals them anew.
 * Every enabled version of it becomes DISABLED first: which of them were disabled or destroyed
 * since the copy was made cannot be known from the copy. With `accept` false nothing changes, and
 * *ret_restoration says what would be rolled back. `reason` goes to the versions and into the audit
 * log. Permission claviger.catalogue.restore on the location. Errors: CLV_E_FAILED_PRECONDITION
 * there is nothing to restore; CLV_E_UNAVAILABLE the location's token is away.
 */
CLV_MUST_USE clv_rc clv_catalogue_restore(struct clv_ctx *ctx, const struct clv_caller *who,
					  const char *location_name, const char *reason,
					  bool accept, struct clv_restoration *ret_restoration,
					  struct clv_err *err);

#endif
