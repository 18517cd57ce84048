/* SPDX-License-Identifier: Apache-2.0 */
/* Keys, each with its primary version, which is read from that version's row. */
#include "lib/store/impl.h"
#include "lib/base/banned.h"

/* The four parts of a key's name, as columns in this order. */
void store_read_key_name(struct store_run *run, struct clv_name *name)
{
	store_read_text(run, name->project, sizeof name->project);
	store_read_text(run, name->location, sizeof name->location);
	store_read_text(run, name->key_ring, sizeof name->key_ring);
	store_read_text(run, name->key, sizeof name->key);
}

void store_bind_key_name(struct store_run *run, const struct clv_name *name)
{
	store_bind_text(run, ":location", name->location);
	store_bind_text(run, ":project", name->project);
	store_bind_text(run, ":ring", name->key_ring);
	store_bind_text(run, ":key", name->key);
}

/* A primary that is named but not there is damage: the foreign key forbids it. */
static void read_primary(struct store_run *run, struct clv_key *key, int64_t *ret_row)
{
	if (store_read_null(run))
		return;
	key->primary = store_read_count(run);
	if (store_read_null(run)) /* check_primary() says so */
		return;
	store_read_version(run, &key->primary_version);
	*ret_row = store_read_int(run);
}

/* `row` is that of the primary version; 0: it is not there. */
static clv_rc check_primary(struct store *store, const struct store_key *key, int64_t row,
			    struct clv_err *err)
{
	CLV_AUTO_DONE(store_sealed_clear) struct store_sealed sealed = { 0 };
	unsigned bucket;
	bool found;

	if (key->pub.primary == 0)
		return CLV_OK;
	if (row != 0)
		return store_seal_check(store, STORE_KIND_VERSION, row, err);
	CLV_TRY(store_sealed_read(store, STORE_KIND_KEY, key->row, &found, &sealed, err));
	CLV_TRY(store_bucket_of(STORE_KIND_VERSION, key->row, (int64_t) key->pub.primary, NULL,
				&bucket, err));
	CLV_TRY(store_seal_check_bucket(store, sealed.tree, bucket, err));
	return store_fail(store->path, NULL, SQLITE_CORRUPT, "reading a key's primary version",
			  err);
}

static clv_rc read_key(struct store_run *run, struct store_key *ret_key, struct clv_err *err)
{
	struct clv_name name = { .kind = CLV_NAME_KEY };
	struct store_key key = { 0 };
	int64_t primary_row = 0;

	key.row = store_read_int(run);
	key.row_version = store_read_int(run);
	key.ring_row = store_read_int(run);
	store_read_key_name(run, &name);
	key.pub.purpose = (enum clv_purpose) store_read_enum(run, CLV_PURPOSE_MAC);
	key.pub.algorithm = store_read_algorithm(run);
	key.pub.protection = (enum clv_protection) store_read_enum(run, CLV_PROTECTION_HSM);
	key.pub.residency = (enum clv_residency) store_read_enum(run, CLV_RESIDENCY_TOKEN);
	key.pub.create_time = store_read_int(run);
	key.pub.destroy_delay = store_read_int(run);
	key.pub.rotation_period = store_read_int_or(run, 0);
	key.pub.next_rotation_time = store_read_int_or(run, 0);
	key.pub.import_only = store_read_int(run) != 0;
	store_read_text(run, key.pub.labels, sizeof key.pub.labels);
	read_primary(run, &key.pub, &primary_row);
	CLV_TRY(store_row_check(run, err));
	CLV_TRY(store_seal_check(run->store, STORE_KIND_KEY, key.row, err));
	CLV_TRY(check_primary(run->store, &key, primary_row, err));
	clv_name_format(&name, CLV_NAME_KEY, key.pub.name);
	name.kind = CLV_NAME_VERSION;
	name.version = key.pub.primary;
	if (key.pub.primary != 0)
		clv_name_format(&name, CLV_NAME_VERSION, key.pub.primary_version.name);
	*ret_key = key;
	return CLV_OK;
}

static clv_rc get_key(struct store *store, const struct clv_name *name, bool *ret_found,
		      struct store_key *ret_key, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_KEY_GET);

	store_bind_key_name(&run, name);
	CLV_TRY(store_step(&run, ret_found, err));
	return *ret_found ? read_key(&run, ret_key, err) : CLV_OK;
}

clv_rc store_key_get(struct store *store, const struct clv_name *name, struct store_key *ret_key,
		     struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	bool found;

	CLV_TRY(store_look_begin(&look, store, err));
	CLV_TRY(get_key(store, name, &found, ret_key, err));
	return found ? CLV_OK : store_absent(store, name, CLV_NAME_KEY, err);
}

/* The rows of a run that is bound already. */
static clv_rc read_keys(struct store_run *run, struct store_key *rows, size_t *ret_n,
			struct clv_err *err)
{
	size_t n = 0;
	bool found;

	for (;;) {
		CLV_TRY(store_step(run, &found, err));
		if (!found)
			break;
		CLV_TRY(read_key(run, &rows[n++], err));
	}
	*ret_n = n;
	return CLV_OK;
}

static clv_rc list_keys(struct store *store, const struct clv_name *ring, const char *after,
			size_t limit, struct store_key *rows, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_KEY_LIST);

	store_bind_text(&run, ":location", ring->location);
	store_bind_text(&run, ":project", ring->project);
	store_bind_text(&run, ":ring", ring->key_ring);
	store_bind_text(&run, ":after", after != NULL ? after : "");
	store_bind_limit(&run, limit);
	return read_keys(&run, rows, ret_n, err);
}

clv_rc store_key_list(struct store *store, const struct clv_name *ring, const char *after,
		      size_t limit, struct store_key *rows, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	struct store_place place;
	size_t n;

	CLV_TRY(store_look_begin(&look, store, err));
	CLV_TRY(list_keys(store, ring, after, limit, rows, &n, err));
	if (n == 0)
		CLV_TRY(store_require(store, ring, CLV_NAME_KEY_RING, &place, err));
	*ret_n = n;
	return CLV_OK;
}

static clv_rc insert_key(struct store *store, int64_t ring_row, const char *id,
			 const struct clv_key *key, bool primary, int64_t *ret_row,
			 struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_KEY_INSERT);
	bool found;

	store_bind_int(&run, ":ring", ring_row);
	store_bind_text(&run, ":id", id);
	store_bind_int(&run, ":purpose", key->purpose);
	store_bind_int(&run, ":algorithm", key->algorithm);
	store_bind_int(&run, ":protection", key->protection);
	store_bind_int(&run, ":residency", key->residency);
	store_bind_int(&run, ":create_time", key->create_time);
	store_bind_int(&run, ":destroy_delay", key->destroy_delay);
	store_bind_int_unless_0(&run, ":rotation_period", key->rotation_period);
	store_bind_int_unless_0(&run, ":next_rotation_time", key->next_rotation_time);
	store_bind_int(&run, ":import_only", key->import_only);
	store_bind_text(&run, ":labels", key->labels);
	store_bind_int_unless_0(&run, ":primary", primary);
	CLV_TRY(store_step(&run, &found, err));
	*ret_row = store_read_int(&run);
	return store_step_done(&run, err);
}

clv_rc store_key_add(struct store *store, const struct clv_grant *grant,
		     const struct clv_name *name, const struct store_key *key,
		     const struct store_version *first, const char *intent, struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };
	struct store_place place;

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(store_require_new(store, name, CLV_NAME_KEY, &place, err));
	CLV_TRY(insert_key(store, place.rows[CLV_NAME_KEY_RING], name->key, &key->pub,
			   first != NULL && key->pub.primary != 0, &place.rows[CLV_NAME_KEY], err));
	if (first != NULL)
		CLV_TRY(store_version_insert(store, &place, 1, first, err));
	CLV_TRY(store_intent_take(store, intent, err));
	return store_change_commit(&change, err);
}

static clv_rc update_primary(struct store *store, const struct store_key *key, uint64_t number,
			     struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_KEY_SET_PRIMARY);

	store_bind_int(&run, ":number", (int64_t) number);
	store_bind_int(&run, ":row", key->row);
	store_bind_int(&run, ":row_version", key->row_version);
	CLV_TRY(store_step_done(&run, err));
	if (sqlite3_changes(store->db) == 0)
		return clv_fail(err, CLV_E_ABORTED,
				"CryptoKey %s was changed meanwhile, or has no version %llu:"
				" read it again.",
				key->pub.name, (unsigned long long) number);
	return CLV_OK;
}

clv_rc store_key_set_primary(struct store *store, const struct clv_grant *grant,
			     const struct store_key *key, uint64_t number, struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(store_seal_keep(store, STORE_KIND_KEY, key->row, err));
	CLV_TRY(update_primary(store, key, number, err));
	return store_change_commit(&change, err);
}

/* ---- what can be changed of a key */

static clv_rc check_updated(struct store *store, const struct store_key *key, struct clv_err *err)
{
	if (sqlite3_changes(store->db) == 0)
		return clv_fail(err, CLV_E_ABORTED,
				"CryptoKey %s was changed meanwhile: read it again.",
				key->pub.name);
	return CLV_OK;
}

static clv_rc update_key(struct store *store, const struct store_key *key, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_KEY_UPDATE);

	store_bind_int(&run, ":algorithm", key->pub.algorithm);
	store_bind_int_unless_0(&run, ":rotation_period", key->pub.rotation_period);
	store_bind_int_unless_0(&run, ":next_rotation_time", key->pub.next_rotation_time);
	store_bind_text(&run, ":labels", key->pub.labels);
	store_bind_int(&run, ":row", key->row);
	store_bind_int(&run, ":row_version", key->row_version);
	CLV_TRY(store_step_done(&run, err));
	return check_updated(store, key, err);
}

clv_rc store_key_update(struct store *store, const struct clv_grant *grant,
			const struct store_key *key, struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(store_seal_keep(store, STORE_KIND_KEY, key->row, err));
	CLV_TRY(update_key(store, key, err));
	return store_change_commit(&change, err);
}

/* ---- rotation */

static clv_rc rotate_key(struct store *store, const struct store_key *key, uint64_t number,
			 struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_KEY_ROTATE);

	store_bind_int(&run, ":number", (int64_t) number);
	store_bind_int_unless_0(&run, ":next_rotation_time", key->pub.next_rotation_time);
	store_bind_int(&run, ":row", key->row);
	store_bind_int(&run, ":row_version", key->row_version);
	CLV_TRY(store_step_done(&run, err));
	return check_updated(store, key, err);
}

clv_rc store_key_rotate(struct store *store, const struct clv_grant *grant,
			const struct store_key *key, const struct store_version *version,
			const char *intent, uint64_t *ret_number, struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };
	struct store_place place;
	struct clv_name name;
	uint64_t number;

	CLV_TRY(clv_name_parse(key->pub.name, &name, err));
	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(store_require(store, &name, CLV_NAME_KEY, &place, err));
	CLV_TRY(store_version_next(store, key->row, &number, err));
	CLV_TRY(store_seal_keep(store, STORE_KIND_KEY, key->row, err));
	CLV_TRY(rotate_key(store, key, number, err));
	CLV_TRY(store_version_insert(store, &place, number, version, err));
	CLV_TRY(store_intent_take(store, intent, err));
	CLV_TRY(store_change_commit(&change, err));
	*ret_number = number;
	return CLV_OK;
}

clv_rc store_key_list_due(struct store *store, int64_t now, int64_t after_time, int64_t after_row,
			  size_t limit, struct store_key *rows, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_KEY_LIST_DUE);

	CLV_TRY(store_look_begin(&look, store, err));
	store_bind_int(&run, ":now", now);
	store_bind_int(&run, ":after_time", after_time);
	store_bind_int(&run, ":after_row", after_row);
	store_bind_limit(&run, limit);
	return read_keys(&run, rows, ret_n, err);
}

clv_rc store_key_list_all(struct store *store, int64_t after_row, size_t limit,
			  struct store_key *rows, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_KEY_LIST_ALL);

	store_bind_int(&run, ":after", after_row);
	store_bind_limit(&run, limit);
	return read_keys(&run, rows, ret_n, err);
}
