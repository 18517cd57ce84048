/* SPDX-License-Identifier: Apache-2.0 */
/* Key versions. Which state may follow which is for lib/model to say, not for this file. */
#include "lib/store/impl.h"
#include "lib/base/banned.h"

/* What the residency asks for: flags in the token, or a blob here; nothing of what is destroyed. */
static void read_material(struct store_run *run, struct store_version *version)
{
	bool wrapped = version->pub.residency == CLV_RESIDENCY_WRAPPED;

	if (!store_read_null(run))
		version->token_enabled = store_read_int(run) != 0;
	version->blob_len = store_read_blob_upto(run, version->blob, sizeof version->blob);
	if ((wrapped && version->pub.state != CLV_STATE_DESTROYED) != (version->blob_len > 0))
		run->damaged = true;
}

static void read_public_half(struct store_run *run, struct store_version *version)
{
	if (!store_read_null(run))
		store_read_blob(run, version->check_value, sizeof version->check_value);
	version->public_key_len =
		store_read_blob_upto(run, version->public_key, sizeof version->public_key);
}

void store_read_version(struct store_run *run, struct clv_version *version)
{
	version->number = store_read_count(run);
	store_read_blob(run, version->uid, sizeof version->uid);
	version->state = (enum clv_state) store_read_enum(run, CLV_STATE_GENERATION_FAILED);
	version->algorithm = store_read_algorithm(run);
	version->protection = (enum clv_protection) store_read_enum(run, CLV_PROTECTION_HSM);
	version->residency = (enum clv_residency) store_read_enum(run, CLV_RESIDENCY_TOKEN);
	version->create_time = store_read_int(run);
	version->generate_time = store_read_int(run);
	version->state_time = store_read_int(run);
	store_read_text(run, version->state_principal, sizeof version->state_principal);
	store_read_text(run, version->state_reason, sizeof version->state_reason);
	version->destroy_time = store_read_int_or(run, 0);
	version->destroy_event_time = store_read_int_or(run, 0);
	version->import_time = store_read_int_or(run, 0);
	if (!store_read_null(run))
		store_read_text(run, version->import_job, sizeof version->import_job);
}

static clv_rc read_version(struct store_run *run, struct store_version *ret_version,
			   struct clv_err *err)
{
	struct clv_name name = { .kind = CLV_NAME_VERSION };
	struct store_version version = { 0 };

	version.row = store_read_int(run);
	version.row_version = store_read_int(run);
	version.key_row = store_read_int(run);
	store_read_key_name(run, &name);
	store_read_version(run, &version.pub);
	read_public_half(run, &version);
	read_material(run, &version);
	CLV_TRY(store_row_check(run, err));
	name.version = version.pub.number;
	clv_name_format(&name, CLV_NAME_VERSION, version.pub.name);
	*ret_version = version;
	return CLV_OK;
}

/* The rows of a run that is bound already. */
static clv_rc read_versions(struct store_run *run, struct store_version *rows, size_t *ret_n,
			    struct clv_err *err)
{
	size_t n = 0;
	bool found;

	for (;;) {
		CLV_TRY(store_step(run, &found, err));
		if (!found)
			break;
		CLV_TRY(read_version(run, &rows[n], err));
		CLV_TRY(store_seal_check(run->store, STORE_KIND_VERSION, rows[n].row, err));
		n++;
	}
	*ret_n = n;
	return CLV_OK;
}

static clv_rc get_version(struct store *store, const struct clv_name *name, bool *ret_found,
			  struct store_version *ret_version, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_VERSION_GET);

	store_bind_key_name(&run, name);
	store_bind_int(&run, ":number", (int64_t) name->version);
	CLV_TRY(store_step(&run, ret_found, err));
	if (!*ret_found)
		return CLV_OK;
	CLV_TRY(read_version(&run, ret_version, err));
	return store_seal_check(store, STORE_KIND_VERSION, ret_version->row, err);
}

clv_rc store_version_get(struct store *store, const struct clv_name *name,
			 struct store_version *ret_version, struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	bool found;

	CLV_TRY(store_look_begin(&look, store, err));
	CLV_TRY(get_version(store, name, &found, ret_version, err));
	return found ? CLV_OK : store_absent(store, name, CLV_NAME_VERSION, err);
}

clv_rc store_version_by_uid(struct store *store, const uint8_t uid[CLV_UID_LEN],
			    struct store_version *ret_version, struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_VERSION_BY_UID);
	bool found;

	CLV_TRY(store_look_begin(&look, store, err));
	store_bind_blob(&run, ":uid", uid, CLV_UID_LEN);
	CLV_TRY(store_step(&run, &found, err));
	if (!found)
		return clv_fail(err, CLV_E_NOT_FOUND,
				"No CryptoKeyVersion here made this ciphertext.");
	CLV_TRY(read_version(&run, ret_version, err));
	return store_seal_check(store, STORE_KIND_VERSION, ret_version->row, err);
}

static clv_rc list_versions(struct store *store, const struct clv_name *key, uint64_t after,
			    size_t limit, struct store_version *rows, size_t *ret_n,
			    struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_VERSION_LIST);

	store_bind_key_name(&run, key);
	store_bind_int(&run, ":after", after < INT64_MAX ? (int64_t) after : INT64_MAX);
	store_bind_limit(&run, limit);
	return read_versions(&run, rows, ret_n, err);
}

/* Numbers follow one another: where one is missing, or behind the last, none was ever sealed. */
static clv_rc check_numbers(struct store *store, const struct clv_name *key, uint64_t after,
			    size_t limit, const struct store_version *rows, size_t n,
			    struct clv_err *err)
{
	struct clv_name missing = *key;
	struct clv_err absent;
	clv_rc rc = CLV_E_NOT_FOUND;
	size_t at = 0;

	while (at < n && rows[at].pub.number == after + 1 + at)
		at++;
	if (at < n || n < limit) {
		missing.kind = CLV_NAME_VERSION;
		missing.version = after + 1 + at;
		rc = store_absent(store, &missing, CLV_NAME_VERSION, &absent);
	}
	if (rc == CLV_E_NOT_FOUND)
		return CLV_OK;
	*err = absent;
	return rc;
}

clv_rc store_version_list(struct store *store, const struct clv_name *key, uint64_t after,
			  size_t limit, struct store_version *rows, size_t *ret_n,
			  struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	struct store_place place;
	size_t n;

	CLV_TRY(store_look_begin(&look, store, err));
	CLV_TRY(list_versions(store, key, after, limit, rows, &n, err));
	if (n == 0)
		CLV_TRY(store_require(store, key, CLV_NAME_KEY, &place, err));
	CLV_TRY(check_numbers(store, key, after, limit, rows, n, err));
	*ret_n = n;
	return CLV_OK;
}

static clv_rc list_pending(struct store *store, const char *location, size_t limit,
			   struct store_version *rows, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_VERSION_LIST_PENDING);

	store_bind_text(&run, ":location", location);
	store_bind_limit(&run, limit);
	return read_versions(&run, rows, ret_n, err);
}

clv_rc store_version_list_pending(struct store *store, const char *location, size_t limit,
				  struct store_version *rows, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	const struct clv_name name = store_location_name(store, location);
	struct store_place place;
	size_t n;

	CLV_TRY(store_look_begin(&look, store, err));
	CLV_TRY(list_pending(store, location, limit, rows, &n, err));
	if (n == 0)
		CLV_TRY(store_require(store, &name, CLV_NAME_LOCATION, &place, err));
	*ret_n = n;
	return CLV_OK;
}

static void bind_state(struct store_run *run, const struct clv_version *version)
{
	store_bind_int(run, ":state", version->state);
	store_bind_int(run, ":state_time", version->state_time);
	store_bind_text(run, ":state_principal", version->state_principal);
	store_bind_text(run, ":state_reason", version->state_reason);
}

static clv_rc check_updated(struct store *store, const struct store_version *version,
			    struct clv_err *err)
{
	if (sqlite3_changes(store->db) == 0)
		return clv_fail(err, CLV_E_ABORTED,
				"CryptoKeyVersion %s was changed meanwhile: read it again.",
				version->pub.name);
	return CLV_OK;
}

clv_rc store_version_insert(struct store *store, const struct store_place *key, uint64_t number,
			    const struct store_version *version, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_VERSION_INSERT);

	store_bind_int(&run, ":key", key->rows[CLV_NAME_KEY]);
	store_bind_int(&run, ":location", key->rows[CLV_NAME_LOCATION]);
	store_bind_int(&run, ":number", (int64_t) number);
	store_bind_blob(&run, ":uid", version->pub.uid, sizeof version->pub.uid);
	store_bind_int(&run, ":algorithm", version->pub.algorithm);
	store_bind_int(&run, ":protection", version->pub.protection);
	store_bind_int(&run, ":residency", version->pub.residency);
	store_bind_int(&run, ":create_time", version->pub.create_time);
	store_bind_int(&run, ":generate_time", version->pub.generate_time);
	bind_state(&run, &version->pub);
	if (version->pub.import_time != 0) { /* what is not bound is NULL */
		store_bind_int(&run, ":import_time", version->pub.import_time);
		store_bind_text(&run, ":import_job", version->pub.import_job);
		store_bind_blob(&run, ":check_value", version->check_value,
				sizeof version->check_value);
	}
	if (version->public_key_len > 0)
		store_bind_blob(&run, ":public_key", version->public_key, version->public_key_len);
	if (version->pub.residency == CLV_RESIDENCY_TOKEN)
		store_bind_int(&run, ":token_enabled", version->token_enabled);
	else
		store_bind_blob(&run, ":blob", version->blob, version->blob_len);
	return store_step_done(&run, err);
}

static clv_rc update_state(struct store *store, const struct store_version *version,
			   struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_VERSION_SET_STATE);

	bind_state(&run, &version->pub);
	if (version->pub.state == CLV_STATE_DESTROY_SCHEDULED) /* what is not bound is NULL */
		store_bind_int(&run, ":destroy_time", version->pub.destroy_time);
	store_bind_int(&run, ":row", version->row);
	store_bind_int(&run, ":row_version", version->row_version);
	CLV_TRY(store_step_done(&run, err));
	return check_updated(store, version, err);
}

clv_rc store_version_set_state(struct store *store, const struct clv_grant *grant,
			       const struct store_version *version, struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(store_seal_keep(store, STORE_KIND_VERSION, version->row, err));
	CLV_TRY(update_state(store, version, err));
	return store_change_commit(&change, err);
}

static clv_rc update_token_enabled(struct store *store, int64_t row, bool enabled,
				   struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_VERSION_SET_TOKEN_ENABLED);

	store_bind_int(&run, ":row", row);
	store_bind_int(&run, ":enabled", enabled);
	CLV_TRY(store_step_done(&run, err));
	if (sqlite3_changes(store->db) == 0)
		return clv_fail(err, CLV_E_NOT_FOUND,
				"There is no token-resident CryptoKeyVersion at row %lld.",
				(long long) row);
	return CLV_OK;
}

clv_rc store_version_set_token_enabled(struct store *store, const struct clv_grant *grant,
				       int64_t row, bool enabled, struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(update_token_enabled(store, row, enabled, err));
	return store_change_commit(&change, err);
}

/* ---- the next version ---- */

clv_rc store_version_next(struct store *store, int64_t key_row, uint64_t *ret_number,
			  struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_VERSION_NEXT);
	bool found;

	store_bind_int(&run, ":key", key_row);
	CLV_TRY(store_step(&run, &found, err));
	*ret_number = found && !store_read_null(&run) ? store_read_count(&run) : 1;
	return store_row_check(&run, err);
}

clv_rc store_version_add(struct store *store, const struct clv_grant *grant,
			 const struct clv_name *key_name, const struct store_version *version,
			 const char *intent, uint64_t *ret_number, struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };
	struct store_place place;
	uint64_t number;

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(store_require(store, key_name, CLV_NAME_KEY, &place, err));
	CLV_TRY(store_version_next(store, place.rows[CLV_NAME_KEY], &number, err));
	CLV_TRY(store_version_insert(store, &place, number, version, err));
	CLV_TRY(store_intent_take(store, intent, err));
	CLV_TRY(store_change_commit(&change, err));
	*ret_number = number;
	return CLV_OK;
}

/* ---- how much a version has done ---- */

clv_rc store_version_list_worn(struct store *store, int64_t after_row, size_t limit,
			       struct store_version *rows, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_VERSION_LIST_WORN);

	CLV_TRY(store_look_begin(&look, store, err));
	store_bind_int(&run, ":after", after_row);
	store_bind_limit(&run, limit);
	return read_versions(&run, rows, ret_n, err);
}

/* ---- the end of a version ---- */

clv_rc store_version_list_due(struct store *store, int64_t now, int64_t after_time,
			      int64_t after_row, size_t limit, struct store_version *rows,
			      size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_VERSION_LIST_DUE);

	CLV_TRY(store_look_begin(&look, store, err));
	store_bind_int(&run, ":now", now);
	store_bind_int(&run, ":after_time", after_time);
	store_bind_int(&run, ":after_row", after_row);
	store_bind_limit(&run, limit);
	return read_versions(&run, rows, ret_n, err);
}

clv_rc store_version_count_due(struct store *store, int64_t now, uint64_t *ret_n,
			       struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_VERSION_COUNT_DUE);
	uint64_t n;
	bool found;

	store_bind_int(&run, ":now", now);
	CLV_TRY(store_step(&run, &found, err));
	n = found ? store_read_count(&run) : 0;
	CLV_TRY(store_row_check(&run, err));
	*ret_n = n;
	return CLV_OK;
}

static clv_rc erase_row(struct store *store, const struct store_version *version,
			struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_VERSION_ERASE);

	bind_state(&run, &version->pub);
	store_bind_int(&run, ":destroy_event_time", version->pub.destroy_event_time);
	store_bind_int(&run, ":row", version->row);
	store_bind_int(&run, ":row_version", version->row_version);
	CLV_TRY(store_step_done(&run, err));
	return check_updated(store, version, err);
}

clv_rc store_version_erase(struct store *store, const struct clv_grant *grant,
			   const struct store_version *version, struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(store_seal_keep(store, STORE_KIND_VERSION, version->row, err));
	CLV_TRY(erase_row(store, version, err));
	CLV_TRY(store_change_commit(&change, err));
	store_truncate_log(store);
	return CLV_OK;
}

/* ---- and its return, when its key is imported once more ---- */

static clv_rc reimport_row(struct store *store, const struct store_version *version,
			   struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_VERSION_REIMPORT);

	bind_state(&run, &version->pub);
	store_bind_int(&run, ":import_time", version->pub.import_time);
	store_bind_text(&run, ":import_job", version->pub.import_job);
	store_bind_blob(&run, ":check_value", version->check_value, sizeof version->check_value);
	store_bind_blob(&run, ":blob", version->blob, version->blob_len);
	store_bind_int(&run, ":row", version->row);
	store_bind_int(&run, ":row_version", version->row_version);
	CLV_TRY(store_step_done(&run, err));
	return check_updated(store, version, err);
}

clv_rc store_version_reimport(struct store *store, const struct clv_grant *grant,
			      const struct store_version *version, struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(store_seal_keep(store, STORE_KIND_VERSION, version->row, err));
	CLV_TRY(reimport_row(store, version, err));
	return store_change_commit(&change, err);
}
