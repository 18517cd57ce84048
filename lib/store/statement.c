/* SPDX-License-Identifier: Apache-2.0 */
/* All the SQL there is outside schema/, in one table, and how a statement is run. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/algorithm.h"
#include "lib/store/impl.h"
#include "lib/base/banned.h"

/*
 * CROSS JOIN is SQLite's way of fixing the order of loops: from the name's first part to its last,
 * each found by its index. Lists come out in the order of the last index, without sorting; the
 * planner needs no statistics for that, and a test explains every statement of this table.
 */
#define RING_COLUMNS "r.row, r.project, l.id, r.id, r.create_time, r.kek_id, r.root_id, r.kek_blob"
#define RING_FROM " FROM locations l CROSS JOIN key_rings r ON r.location = l.row"

/* What a struct clv_version has, but for its name. */
#define VERSION_PUBLIC                                                                             \
	"v.number, v.uid, v.state, v.algorithm, v.protection, v.residency, v.create_time,"         \
	" v.generate_time, v.state_time, v.state_principal, v.state_reason, v.destroy_time,"       \
	" v.destroy_event_time, v.import_time, v.import_job"

#define KEY_COLUMNS                                                                                \
	"k.row, k.row_version, k.key_ring, r.project, l.id, r.id, k.id, k.purpose, k.algorithm,"   \
	" k.protection, k.residency, k.create_time, k.destroy_delay, k.rotation_period,"           \
	" k.next_rotation_time, k.import_only, k.labels, k.primary_number, " VERSION_PUBLIC        \
	", v.row"
#define KEY_FROM RING_FROM " CROSS JOIN crypto_keys k ON k.key_ring = r.row"
#define KEY_PRIMARY " LEFT JOIN versions v ON v.crypto_key = k.row AND v.number = k.primary_number"

#define VERSION_COLUMNS                                                                            \
	"v.row, v.row_version, v.crypto_key, r.project, l.id, r.id, k.id, " VERSION_PUBLIC         \
	", v.check_value, v.public_key, v.token_enabled, v.blob"
#define KEY_UP                                                                                     \
	" CROSS JOIN key_rings r ON r.row = k.key_ring"                                            \
	" CROSS JOIN locations l ON l.row = r.location"

#define VERSION_FROM KEY_FROM " CROSS JOIN versions v ON v.crypto_key = k.row"
#define VERSION_UP                                                                                 \
	" CROSS JOIN crypto_keys k ON k.row = v.crypto_key"                                        \
	" CROSS JOIN key_rings r ON r.row = k.key_ring"

#define JOB_COLUMNS                                                                                \
	"j.row, j.row_version, r.project, l.id, r.id, j.id, j.method, j.protection, j.state,"      \
	" j.create_time, j.expire_time, j.expire_event_time, j.uid, j.public_key, j.blob"
#define JOB_FROM RING_FROM " CROSS JOIN import_jobs j ON j.key_ring = r.row"

/* Word for word the condition of the index versions_pending, so that it is used. */
#define PENDING "v.residency = 2 AND v.token_enabled <> (v.state = 1)"

#define LOCATION_COLUMNS                                                                           \
	"l.row, l.id, l.create_time, (SELECT count(*) FROM tokens t WHERE t.location = l.row)"
#define TOKEN_COLUMNS                                                                              \
	"t.row, l.id, t.uri, t.serial, t.label, t.manufacturer, t.model, t.log_key_pem,"           \
	" t.attach_time, t.root_id, t.seal_id, t.log_id, t.anchor_0_id, t.anchor_1_id"
#define TOKEN_FROM " FROM locations l CROSS JOIN tokens t ON t.location = l.row"

#define DOCUMENT_COLUMNS                                                                           \
	"d.row, d.row_version, d.kind, d.name, d.text, d.update_time, d.update_principal"

#define IN_RING " WHERE l.id = :location AND r.project = :project AND r.id = :ring"

/*
 * A row as it is sealed: its tree, what people call it, then the columns that the seal covers, the
 * first two of which choose the bucket. Not covered: versions.token_enabled, which follows the
 * token. A test looks for columns that are in a table and not here.
 */
#define COMMON_TREE "(SELECT c.row FROM locations c WHERE c.row > 0 ORDER BY c.row LIMIT 1)"
#define RING_NAME "'projects/' || r.project || '/locations/' || l.id || '/keyRings/' || r.id"
#define SEAL_ROW(tree, name, columns, from)                                                        \
	"SELECT " tree ", " name ", " columns " FROM " from ".row = :row"
#define ROWS(table) "SELECT row FROM " table " WHERE row > :after ORDER BY row LIMIT :limit"

#define SEAL_STATEMENTS                                                                            \
	[STORE_SQL_SEAL_HOME] =                                                                    \
		SEAL_ROW(COMMON_TREE, "'home ' || h.project",                                      \
			 "h.row, h.uuid, h.project, h.owner, h.create_time", "home h WHERE h"),    \
	[STORE_SQL_SEAL_LOCATION] =                                                                \
		SEAL_ROW(COMMON_TREE, "'location ' || l.id",                                       \
			 "0, l.id, l.row_version, l.create_time", "locations l WHERE l"),          \
	[STORE_SQL_SEAL_TOKEN] =                                                                   \
		SEAL_ROW(COMMON_TREE, "'token ' || t.label",                                       \
			 "t.row, t.location, t.row_version, t.uri, t.serial, t.label,"             \
			 " t.manufacturer, t.model, t.log_key_pem, t.attach_time, t.root_id,"      \
			 " t.seal_id, t.log_id, t.anchor_0_id, t.anchor_1_id",                     \
			 "tokens t WHERE t"),                                                      \
	[STORE_SQL_SEAL_RING] = SEAL_ROW("r.location", RING_NAME,                                  \
					 "r.location, r.id, r.project, r.row_version,"             \
					 " r.create_time, r.kek_id, r.root_id, r.kek_blob",        \
					 "key_rings r CROSS JOIN locations l ON l.row ="           \
					 " r.location WHERE r"),                                   \
	[STORE_SQL_SEAL_KEY] =                                                                     \
		SEAL_ROW("r.location", RING_NAME " || '/cryptoKeys/' || k.id",                     \
			 "k.key_ring, k.id, k.row_version, k.purpose, k.algorithm, k.protection,"  \
			 " k.residency, k.create_time, k.primary_number, k.destroy_delay,"         \
			 " k.rotation_period, k.next_rotation_time, k.import_only, k.labels",      \
			 "crypto_keys k" KEY_UP " WHERE k"),                                       \
	[STORE_SQL_SEAL_VERSION] =                                                                 \
		SEAL_ROW("v.location",                                                             \
			 RING_NAME " || '/cryptoKeys/' || k.id || '/cryptoKeyVersions/' ||"        \
				   " v.number",                                                    \
			 "v.crypto_key, v.number, v.row_version, v.state, v.state_time,"           \
			 " v.state_principal, v.state_reason, v.destroy_time,"                     \
			 " v.destroy_event_time, v.blob, v.location, v.uid, v.algorithm,"          \
			 " v.protection, v.residency, v.create_time, v.generate_time,"             \
			 " v.public_key, v.import_job, v.import_time, v.check_value",              \
			 "versions v" VERSION_UP " CROSS JOIN locations l ON l.row = r.location"   \
			 " WHERE v"),                                                              \
	[STORE_SQL_SEAL_JOB] =                                                                     \
		SEAL_ROW("r.location", RING_NAME " || '/importJobs/' || j.id",                     \
			 "j.key_ring, j.id, j.row_version, j.state, j.expire_event_time, j.blob,"  \
			 " j.method, j.protection, j.create_time, j.expire_time, j.uid,"           \
			 " j.public_key",                                                          \
			 "import_jobs j CROSS JOIN key_rings r ON r.row = j.key_ring"              \
			 " CROSS JOIN locations l ON l.row = r.location WHERE j"),                 \
	[STORE_SQL_SEAL_DOCUMENT] =                                                                \
		SEAL_ROW(COMMON_TREE, "'document ' || d.name",                                     \
			 "d.kind, 0, d.name, d.text, d.row_version, d.update_time,"                \
			 " d.update_principal",                                                    \
			 "documents d WHERE d"),                                                   \
	[STORE_SQL_SEAL_EPOCH] = SEAL_ROW(COMMON_TREE, "'the number of policy changes'",           \
					  "e.row, 0, e.epoch", "policy_epoch e WHERE e"),          \
	[STORE_SQL_ROWS_HOME] = ROWS("home"), [STORE_SQL_ROWS_LOCATION] = ROWS("locations"),       \
	[STORE_SQL_ROWS_TOKEN] = ROWS("tokens"), [STORE_SQL_ROWS_RING] = ROWS("key_rings"),        \
	[STORE_SQL_ROWS_KEY] = ROWS("crypto_keys"), [STORE_SQL_ROWS_VERSION] = ROWS("versions"),   \
	[STORE_SQL_ROWS_JOB] = ROWS("import_jobs"), [STORE_SQL_ROWS_DOCUMENT] = ROWS("documents"), \
	[STORE_SQL_ROWS_EPOCH] = ROWS("policy_epoch"),                                             \
	[STORE_SQL_COMMON_TREE] =                                                                  \
		"SELECT l.row, l.id, l.create_time, 1 FROM locations l WHERE l.row > 0"            \
		" ORDER BY l.row LIMIT 1",                                                         \
	[STORE_SQL_LEAF_ANY] = "SELECT 1 FROM leaves WHERE tree = :tree LIMIT 1",                  \
	[STORE_SQL_LEAF_GET] = "SELECT hash FROM leaves WHERE tree = :tree AND bucket = :bucket"   \
			       " AND kind = :kind AND row = :row",                                 \
	[STORE_SQL_LEAF_PUT] = "INSERT INTO leaves (tree, bucket, kind, row, hash)"                \
			       " VALUES (:tree, :bucket, :kind, :row, :hash)"                      \
			       " ON CONFLICT (tree, bucket, kind, row) DO UPDATE SET"              \
			       " hash = :hash",                                                    \
	[STORE_SQL_LEAF_DELETE] = "DELETE FROM leaves WHERE tree = :tree AND bucket = :bucket"     \
				  " AND kind = :kind AND row = :row",                              \
	[STORE_SQL_LEAF_LIST] = "SELECT kind, row, hash FROM leaves"                               \
				" WHERE tree = :tree AND bucket = :bucket ORDER BY kind, row",     \
	[STORE_SQL_LEAF_LIST_ALL] = "SELECT bucket, kind, row, hash FROM leaves"                   \
				    " WHERE tree = :tree ORDER BY bucket, kind, row",              \
	[STORE_SQL_LEAF_CLEAR] = "DELETE FROM leaves WHERE tree = :tree",                          \
	[STORE_SQL_NODE_GET] = "SELECT children FROM nodes"                                        \
			       " WHERE tree = :tree AND level = :level AND number = :number",      \
	[STORE_SQL_NODE_PUT] = "INSERT INTO nodes (tree, level, number, children)"                 \
			       " VALUES (:tree, :level, :number, :children)"                       \
			       " ON CONFLICT (tree, level, number) DO UPDATE SET"                  \
			       " children = :children",                                            \
	[STORE_SQL_NODE_CLEAR] = "DELETE FROM nodes WHERE tree = :tree",                           \
	[STORE_SQL_HEAD_GET] = "SELECT epoch, root, previous, mac FROM heads WHERE tree = :tree",  \
	[STORE_SQL_HEAD_PUT] = "INSERT INTO heads (tree, epoch, root, previous, mac)"              \
			       " VALUES (:tree, :epoch, :root, :previous, :mac)"                   \
			       " ON CONFLICT (tree) DO UPDATE SET epoch = :epoch, root = :root,"   \
			       " previous = :previous, mac = :mac",                                \
	[STORE_SQL_UNSEALED_GET] = "SELECT old FROM unsealed"                                      \
				   " WHERE tree = :tree AND kind = :kind AND row = :row",          \
	[STORE_SQL_UNSEALED_PUT] = "INSERT INTO unsealed (tree, kind, row, old)"                   \
				   " VALUES (:tree, :kind, :row, :old)"                            \
				   " ON CONFLICT (tree, kind, row) DO NOTHING",                    \
	[STORE_SQL_UNSEALED_LIST] = "SELECT kind, row FROM unsealed WHERE tree = :tree",           \
	[STORE_SQL_UNSEALED_CLEAR] = "DELETE FROM unsealed WHERE tree = :tree",                    \
	[STORE_SQL_UNSEALED_COUNT] = "SELECT count(*) FROM unsealed WHERE tree = :tree",           \
	[STORE_SQL_DISABLE_ALL] = "UPDATE versions SET state = 2, state_time = :state_time,"       \
				  " state_principal = :state_principal,"                           \
				  " state_reason = :state_reason,"                                 \
				  " row_version = row_version + 1"                                 \
				  " WHERE location = :tree AND state = 1"

static const char *const sql_table[] = {
	[STORE_SQL_BEGIN] = "BEGIN IMMEDIATE",
	[STORE_SQL_COMMIT] = "COMMIT",
	[STORE_SQL_ROLLBACK] = "ROLLBACK",

	[STORE_SQL_HOME_GET] = "SELECT uuid, project, owner, create_time FROM home WHERE row = 1",

	[STORE_SQL_FIND_LOCATION] = "SELECT row FROM locations WHERE id = :id",
	[STORE_SQL_FIND_RING] = "SELECT row FROM key_rings"
				" WHERE location = :parent AND project = :project AND id = :id",
	[STORE_SQL_FIND_KEY] = "SELECT row FROM crypto_keys WHERE key_ring = :parent AND id = :id",

	[STORE_SQL_LOCATION_GET] = "SELECT " LOCATION_COLUMNS " FROM locations l WHERE l.id = :id",
	[STORE_SQL_LOCATION_LIST] = "SELECT " LOCATION_COLUMNS " FROM locations l"
				    " WHERE l.id > :after ORDER BY l.id LIMIT :limit",
	[STORE_SQL_LOCATION_INSERT] =
		"INSERT INTO locations (id, create_time) VALUES (:id, :create_time) RETURNING row",

	[STORE_SQL_TOKEN_LIST] = "SELECT " TOKEN_COLUMNS TOKEN_FROM " WHERE l.id = :location"
				 " ORDER BY t.row LIMIT :limit",
	[STORE_SQL_TOKEN_LIST_ALL] = "SELECT " TOKEN_COLUMNS TOKEN_FROM " WHERE l.id > ''"
				     " ORDER BY l.id, t.row LIMIT :limit",
	[STORE_SQL_TOKEN_INSERT] =
		"INSERT INTO tokens (location, uri, serial, label, manufacturer, model,"
		" log_key_pem, attach_time, root_id, seal_id, log_id, anchor_0_id, anchor_1_id)"
		" VALUES (:location, :uri, :serial, :label, :manufacturer, :model,"
		" :log_key_pem, :attach_time, :root_id, :seal_id, :log_id, :anchor_0_id,"
		" :anchor_1_id)",

	[STORE_SQL_RING_GET] = "SELECT " RING_COLUMNS RING_FROM IN_RING,
	[STORE_SQL_RING_LIST] = "SELECT " RING_COLUMNS RING_FROM
				" WHERE l.id = :location AND r.project = :project AND r.id > :after"
				" ORDER BY r.id LIMIT :limit",
	[STORE_SQL_RING_INSERT] =
		"INSERT INTO key_rings (location, project, id, create_time, kek_id, root_id,"
		" kek_blob) VALUES (:location, :project, :id, :create_time, :kek_id, :root_id,"
		" :kek_blob)",

	[STORE_SQL_KEY_GET] = "SELECT " KEY_COLUMNS KEY_FROM KEY_PRIMARY IN_RING " AND k.id = :key",
	[STORE_SQL_KEY_LIST] = "SELECT " KEY_COLUMNS KEY_FROM KEY_PRIMARY IN_RING
			       " AND k.id > :after ORDER BY k.id LIMIT :limit",
	[STORE_SQL_KEY_INSERT] =
		"INSERT INTO crypto_keys (key_ring, id, purpose, algorithm, protection, residency,"
		" create_time, destroy_delay, rotation_period, next_rotation_time, import_only,"
		" labels, primary_number) VALUES (:ring, :id, :purpose, :algorithm, :protection,"
		" :residency, :create_time, :destroy_delay, :rotation_period, :next_rotation_time,"
		" :import_only, :labels, :primary)"
		" RETURNING row",
	[STORE_SQL_KEY_SET_PRIMARY] =
		"UPDATE crypto_keys SET primary_number = :number, row_version = row_version + 1"
		" WHERE row = :row AND row_version = :row_version AND EXISTS"
		" (SELECT 1 FROM versions v WHERE v.crypto_key = :row AND v.number = :number)",
	[STORE_SQL_KEY_UPDATE] =
		"UPDATE crypto_keys SET algorithm = :algorithm,"
		" rotation_period = :rotation_period, next_rotation_time = :next_rotation_time,"
		" labels = :labels, row_version = row_version + 1"
		" WHERE row = :row AND row_version = :row_version",
	[STORE_SQL_KEY_ROTATE] =
		"UPDATE crypto_keys SET primary_number = :number,"
		" next_rotation_time = :next_rotation_time, row_version = row_version + 1"
		" WHERE row = :row AND row_version = :row_version",
	[STORE_SQL_KEY_LIST_DUE] =
		"SELECT " KEY_COLUMNS
		" FROM crypto_keys k INDEXED BY crypto_keys_due" KEY_UP KEY_PRIMARY
		" WHERE k.next_rotation_time <= :now"
		" AND (k.next_rotation_time, k.row) > (:after_time, :after_row)"
		" ORDER BY k.next_rotation_time, k.row LIMIT :limit",

	[STORE_SQL_KEY_LIST_ALL] = "SELECT " KEY_COLUMNS " FROM crypto_keys k" KEY_UP KEY_PRIMARY
				   " WHERE k.row > :after ORDER BY k.row LIMIT :limit",

	[STORE_SQL_VERSION_GET] = "SELECT " VERSION_COLUMNS VERSION_FROM IN_RING
				  " AND k.id = :key AND v.number = :number",
	[STORE_SQL_VERSION_BY_UID] = "SELECT " VERSION_COLUMNS " FROM versions v" VERSION_UP
				     " CROSS JOIN locations l ON l.row = r.location"
				     " WHERE v.uid = :uid",
	[STORE_SQL_VERSION_LIST] = "SELECT " VERSION_COLUMNS VERSION_FROM IN_RING
				   " AND k.id = :key AND v.number > :after"
				   " ORDER BY v.number LIMIT :limit",
	[STORE_SQL_VERSION_LIST_PENDING] =
		"SELECT " VERSION_COLUMNS " FROM locations l"
		" CROSS JOIN versions v ON v.location = l.row" VERSION_UP
		" WHERE l.id = :location AND " PENDING " ORDER BY v.row LIMIT :limit",
	[STORE_SQL_VERSION_LIST_DUE] =
		"SELECT " VERSION_COLUMNS " FROM versions v INDEXED BY versions_due" VERSION_UP
		" CROSS JOIN locations l ON l.row = r.location"
		" WHERE v.state = 4 AND v.destroy_time <= :now"
		" AND (v.destroy_time, v.row) > (:after_time, :after_row)"
		" ORDER BY v.destroy_time, v.row LIMIT :limit",
	[STORE_SQL_VERSION_COUNT_DUE] = "SELECT count(*) FROM versions v INDEXED BY versions_due"
					" WHERE v.state = 4 AND v.destroy_time <= :now",
	[STORE_SQL_VERSION_LIST_WORN] =
		"SELECT " VERSION_COLUMNS
		" FROM operation_counts o INDEXED BY operation_counts_high"
		" CROSS JOIN versions v ON v.row = o.version" VERSION_UP
		" CROSS JOIN locations l ON l.row = r.location"
		" WHERE o.reserved >= 2147483648 AND o.version > :after"
		" AND k.primary_number = v.number AND k.rotation_period IS NOT NULL"
		" ORDER BY o.version LIMIT :limit",
	[STORE_SQL_VERSION_NEXT] = "SELECT max(number) + 1 FROM versions WHERE crypto_key = :key",
	[STORE_SQL_VERSION_INSERT] =
		"INSERT INTO versions (crypto_key, location, number, uid, state, algorithm,"
		" protection, residency, create_time, generate_time, state_time, state_principal,"
		" state_reason, import_time, import_job, check_value, public_key, token_enabled,"
		" blob) VALUES (:key, :location, :number, :uid, :state, :algorithm, :protection,"
		" :residency, :create_time, :generate_time, :state_time, :state_principal,"
		" :state_reason, :import_time, :import_job, :check_value, :public_key,"
		" :token_enabled, :blob)",
	[STORE_SQL_VERSION_SET_STATE] =
		"UPDATE versions SET state = :state, state_time = :state_time,"
		" state_principal = :state_principal, state_reason = :state_reason,"
		" destroy_time = :destroy_time,"
		" row_version = row_version + 1 WHERE row = :row AND row_version = :row_version",
	[STORE_SQL_VERSION_ERASE] =
		"UPDATE versions SET state = :state, state_time = :state_time,"
		" state_principal = :state_principal, state_reason = :state_reason,"
		" destroy_time = NULL, destroy_event_time = :destroy_event_time, blob = NULL,"
		" token_enabled = NULL,"
		" row_version = row_version + 1 WHERE row = :row AND row_version = :row_version",
	[STORE_SQL_VERSION_SET_TOKEN_ENABLED] = "UPDATE versions SET token_enabled = :enabled"
						" WHERE row = :row AND residency = 2"
						" AND state <> 3",

	[STORE_SQL_VERSION_REIMPORT] =
		"UPDATE versions SET state = :state, state_time = :state_time,"
		" state_principal = :state_principal, state_reason = :state_reason,"
		" destroy_event_time = NULL, import_time = :import_time, import_job = :import_job,"
		" blob = :blob, row_version = row_version + 1"
		" WHERE row = :row AND row_version = :row_version AND residency = 1"
		" AND check_value = :check_value",

	[STORE_SQL_IMPORT_JOB_GET] = "SELECT " JOB_COLUMNS JOB_FROM IN_RING " AND j.id = :job",
	[STORE_SQL_IMPORT_JOB_LIST] = "SELECT " JOB_COLUMNS JOB_FROM IN_RING
				      " AND j.id > :after ORDER BY j.id LIMIT :limit",
	[STORE_SQL_IMPORT_JOB_LIST_DUE] =
		"SELECT " JOB_COLUMNS " FROM import_jobs j INDEXED BY import_jobs_due"
		" CROSS JOIN key_rings r ON r.row = j.key_ring"
		" CROSS JOIN locations l ON l.row = r.location"
		" WHERE j.state = 2 AND j.expire_time <= :now"
		" AND (j.expire_time, j.row) > (:after_time, :after_row)"
		" ORDER BY j.expire_time, j.row LIMIT :limit",
	[STORE_SQL_IMPORT_JOB_INSERT] =
		"INSERT INTO import_jobs (key_ring, id, method, protection, state, create_time,"
		" expire_time, uid, public_key, blob) VALUES (:ring, :id, :method, :protection,"
		" 2, :create_time, :expire_time, :uid, :public_key, :blob)",
	[STORE_SQL_IMPORT_JOB_ERASE] =
		"UPDATE import_jobs SET state = 3, expire_event_time = :expire_event_time,"
		" blob = NULL, row_version = row_version + 1"
		" WHERE row = :row AND row_version = :row_version AND state = 2",

	[STORE_SQL_COUNT_GET] = "SELECT reserved FROM operation_counts WHERE version = :version",
	[STORE_SQL_COUNT_SET] = "INSERT INTO operation_counts (version, reserved)"
				" VALUES (:version, :reserved)"
				" ON CONFLICT (version) DO UPDATE SET reserved = :reserved",

	[STORE_SQL_INTENT_LIST] = "SELECT id, location, detail, time FROM intents"
				  " WHERE location = :location ORDER BY row LIMIT :limit",
	[STORE_SQL_INTENT_LIST_ALL] = "SELECT id, location, detail, time FROM intents"
				      " WHERE row > 0 ORDER BY row LIMIT :limit",
	[STORE_SQL_INTENT_INSERT] = "INSERT INTO intents (id, location, detail, time)"
				    " VALUES (:id, :location, :detail, :time)"
				    " ON CONFLICT (id) DO NOTHING",
	[STORE_SQL_INTENT_DELETE] = "DELETE FROM intents WHERE id = :id",

	[STORE_SQL_DOCUMENT_GET] = "SELECT " DOCUMENT_COLUMNS " FROM documents d"
				   " WHERE d.kind = :kind AND d.name = :name",
	[STORE_SQL_DOCUMENT_LIST] = "SELECT " DOCUMENT_COLUMNS " FROM documents d"
				    " WHERE d.kind BETWEEN :from AND :to ORDER BY d.kind, d.name",
	[STORE_SQL_DOCUMENT_ROW_VERSION] =
		"SELECT row_version, row FROM documents WHERE kind = :kind AND name = :name",
	[STORE_SQL_DOCUMENT_PUT] =
		"INSERT INTO documents (row_version, kind, name, text, update_time,"
		" update_principal) VALUES (:row_version, :kind, :name, :text, :update_time,"
		" :update_principal) ON CONFLICT (kind, name) DO UPDATE SET"
		" row_version = :row_version, text = :text, update_time = :update_time,"
		" update_principal = :update_principal",
	[STORE_SQL_DOCUMENT_DELETE] = "DELETE FROM documents WHERE kind = :kind AND name = :name",
	[STORE_SQL_EPOCH_GET] = "SELECT epoch FROM policy_epoch WHERE row = 1",
	[STORE_SQL_EPOCH_NEXT] = "UPDATE policy_epoch SET epoch = epoch + 1 WHERE row = 1",

	[STORE_SQL_COUNTS] =
		"SELECT (SELECT count(*) FROM key_rings r WHERE r.location = l.row),"
		" (SELECT count(*) FROM key_rings r CROSS JOIN crypto_keys k"
		" ON k.key_ring = r.row WHERE r.location = l.row),"
		" (SELECT count(*) FROM versions v WHERE v.location = l.row AND v.state = 1),"
		" (SELECT count(*) FROM versions v WHERE v.location = l.row AND v.state = 2),"
		" (SELECT count(*) FROM versions v WHERE v.location = l.row AND v.state = 4),"
		" (SELECT count(*) FROM versions v WHERE v.location = l.row AND v.state = 3),"
		" (SELECT count(*) FROM versions v WHERE v.location = l.row AND " PENDING ")"
		" FROM locations l WHERE l.id = :location",

	[STORE_SQL_LOOK_BEGIN] = "BEGIN",
	SEAL_STATEMENTS,
};

const char *store_sql_text(enum store_sql sql)
{
	return sql_table[sql];
}

/* The only place where an SQLite code becomes one of ours. Codes without a row are our own bugs. */
static const struct {
	int code; /* extended, or primary for all of a kind; the first match counts */
	clv_rc rc;
	const char *text;
} fail_table[] = {
	{ SQLITE_IOERR_NOMEM, CLV_E_RESOURCE_EXHAUSTED, "there is no memory left" },
	{ SQLITE_IOERR_CORRUPTFS, CLV_E_DATA_LOSS, "is damaged: restore it from a copy" },
	{ SQLITE_IOERR_DATA, CLV_E_DATA_LOSS, "is damaged: restore it from a copy" },
	{ SQLITE_BUSY, CLV_E_DEADLINE_EXCEEDED, "another writer did not finish in time" },
	{ SQLITE_LOCKED, CLV_E_DEADLINE_EXCEEDED, "another writer did not finish in time" },
	{ SQLITE_FULL, CLV_E_RESOURCE_EXHAUSTED, "cannot grow: make room on its file system" },
	{ SQLITE_NOMEM, CLV_E_RESOURCE_EXHAUSTED, "there is no memory left" },
	{ SQLITE_CORRUPT, CLV_E_DATA_LOSS, "is damaged: restore it from a copy" },
	{ SQLITE_NOTADB, CLV_E_DATA_LOSS, "is damaged or is no catalogue" },
	{ SQLITE_IOERR, CLV_E_UNAVAILABLE, "cannot be read or written now" },
	{ SQLITE_CANTOPEN, CLV_E_UNAVAILABLE, "cannot be opened" },
	{ SQLITE_PERM, CLV_E_UNAVAILABLE, "may not be opened by this user" },
	{ SQLITE_READONLY, CLV_E_UNAVAILABLE, "cannot be written by this user" },
	{ SQLITE_PROTOCOL, CLV_E_UNAVAILABLE, "its locks cannot be had now" },
	{ SQLITE_INTERRUPT, CLV_E_UNAVAILABLE, "was interrupted" },
};

/* SQLite knows ENOSPC, but a quota or limit, and shared memory that cannot grow, are plain I/O to
 * it.
 */
static bool is_out_of_space(sqlite3 *db, int code)
{
	bool tells = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
	int errnum = db != NULL && tells ? sqlite3_system_errno(db) : 0;

	return errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG;
}

clv_rc store_fail(const char *path, sqlite3 *db, int code, const char *op, struct clv_err *err)
{
	clv_rc rc = CLV_E_INTERNAL;
	const char *text = "refused what it was asked";
	const char *why;

	if (is_out_of_space(db, code))
		code = SQLITE_FULL;
	for (size_t i = 0; i < CLV_ARRAY_LEN(fail_table); i++) {
		if (fail_table[i].code == code || fail_table[i].code == (code & 0xff)) {
			rc = fail_table[i].rc;
			text = fail_table[i].text;
			break;
		}
	}
	why = sqlite3_errstr(code);
	if (db != NULL && sqlite3_errcode(db) != SQLITE_OK)
		why = sqlite3_errmsg(db); /* says which table, column or trigger */
	rc = clv_fail(err, rc, "catalogue %s: %s (%s)", path, text, why);
	err->op = op;
	err->domain = CLV_DOM_SQLITE;
	err->native = (unsigned long) code;
	return rc;
}

clv_rc store_fail_reading(struct store *store, int code, const char *op, struct clv_err *err)
{
	/* Our text is sound, so what it speaks of is not there, or not readable. */
	if (code == SQLITE_ERROR)
		code = SQLITE_CORRUPT;
	return store_fail(store->path, store->db, code, op, err);
}

clv_rc store_prepare_all(struct store *store, struct clv_err *err)
{
	for (size_t i = 0; i < STORE_SQL_COUNT; i++) {
		int code =
			sqlite3_prepare_v3(store->db, sql_table[i], -1, SQLITE_PREPARE_PERSISTENT,
					   &store->statements[i], NULL);

		if (code != SQLITE_OK)
			return store_fail_reading(store, code, "sqlite3_prepare_v3", err);
	}
	return CLV_OK;
}

void store_finalize_all(struct store *store)
{
	for (size_t i = 0; i < STORE_SQL_COUNT; i++) {
		sqlite3_finalize(store->statements[i]);
		store->statements[i] = NULL;
	}
}

struct store_run store_run_begin(struct store *store, enum store_sql sql)
{
	return (struct store_run){ .store = store, .stmt = store->statements[sql] };
}

/* Takes the bindings away too: they point to what the caller is about to give up. */
void store_run_done(struct store_run *run)
{
	sqlite3_reset(run->stmt); /* its result is that of the last step, which was reported */
	sqlite3_clear_bindings(run->stmt);
}

void store_run_end(struct store_run *run)
{
	sqlite3_finalize(run->stmt);
}

static int parameter_index(const struct store_run *run, const char *parameter)
{
	int index = sqlite3_bind_parameter_index(run->stmt, parameter);

	assert(index > 0);
	return index;
}

static void note_bind(struct store_run *run, int code)
{
	if (run->code == SQLITE_OK)
		run->code = code;
}

void store_bind_text(struct store_run *run, const char *parameter, const char *text)
{
	note_bind(run, sqlite3_bind_text(run->stmt, parameter_index(run, parameter), text, -1,
					 SQLITE_STATIC));
}

void store_bind_blob(struct store_run *run, const char *parameter, const void *bytes, size_t len)
{
	note_bind(run, sqlite3_bind_blob64(run->stmt, parameter_index(run, parameter), bytes, len,
					   SQLITE_STATIC));
}

void store_bind_int(struct store_run *run, const char *parameter, int64_t value)
{
	note_bind(run, sqlite3_bind_int64(run->stmt, parameter_index(run, parameter), value));
}

void store_bind_int_unless_0(struct store_run *run, const char *parameter, int64_t value)
{
	if (value != 0)
		store_bind_int(run, parameter, value);
}

void store_bind_limit(struct store_run *run, size_t limit)
{
	store_bind_int(run, ":limit", limit < INT_MAX ? (int64_t) limit : INT_MAX);
}

clv_rc store_step(struct store_run *run, bool *ret_found, struct clv_err *err)
{
	int code = run->code;

	if (code == SQLITE_OK)
		code = sqlite3_step(run->stmt);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return store_fail(run->store->path, run->store->db, code, "sqlite3_step", err);
	run->column = 0;
	run->damaged = false;
	*ret_found = code == SQLITE_ROW;
	return CLV_OK;
}

clv_rc store_step_done(struct store_run *run, struct clv_err *err)
{
	bool found = true;

	while (found)
		CLV_TRY(store_step(run, &found, err));
	return CLV_OK;
}

int64_t store_read_int(struct store_run *run)
{
	int column = run->column++;

	if (sqlite3_column_type(run->stmt, column) != SQLITE_INTEGER)
		run->damaged = true;
	return sqlite3_column_int64(run->stmt, column);
}

uint64_t store_read_count(struct store_run *run)
{
	int64_t value = store_read_int(run);

	if (value < 0)
		run->damaged = true;
	return (uint64_t) value;
}

int store_read_enum(struct store_run *run, int max)
{
	int64_t value = store_read_int(run);

	if (value < 1 || value > max) {
		run->damaged = true;
		value = 1;
	}
	return (int) value;
}

int64_t store_read_int_or(struct store_run *run, int64_t none)
{
	return store_read_null(run) ? none : store_read_int(run);
}

enum clv_algorithm store_read_algorithm(struct store_run *run)
{
	int64_t number = store_read_int(run);
	const struct model_algorithm *row =
		number > 0 && number < INT_MAX ? model_algorithm_get((enum clv_algorithm) number)
					       : NULL;

	if (row == NULL)
		run->damaged = true;
	return row != NULL ? row->algorithm : CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION;
}

bool store_read_null(struct store_run *run)
{
	bool null = sqlite3_column_type(run->stmt, run->column) == SQLITE_NULL;

	if (null)
		run->column++;
	return null;
}

void store_read_text(struct store_run *run, char *buf, size_t size)
{
	int column = run->column++;
	const unsigned char *text = sqlite3_column_text(run->stmt, column);
	int len = sqlite3_column_bytes(run->stmt, column);

	if (text == NULL || len < 0 || (size_t) len >= size) {
		run->damaged = true;
		return;
	}
	memcpy(buf, text, (size_t) len);
	buf[len] = '\0';
}

char *store_read_text_new(struct store_run *run, size_t size, size_t *ret_len)
{
	int column = run->column++;
	const unsigned char *text = sqlite3_column_text(run->stmt, column);
	int len = sqlite3_column_bytes(run->stmt, column);
	char *copy;

	if (text == NULL || len < 0 || (size_t) len >= size) {
		run->damaged = true;
		return NULL;
	}
	copy = malloc((size_t) len + 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, text, (size_t) len);
	copy[len] = '\0';
	*ret_len = (size_t) len;
	return copy;
}

size_t store_read_blob_upto(struct store_run *run, uint8_t *buf, size_t size)
{
	int column = run->column++;
	const void *bytes = sqlite3_column_blob(run->stmt, column);
	int len = sqlite3_column_bytes(run->stmt, column);

	if (len < 0 || (size_t) len > size || (bytes == NULL && len > 0)) {
		run->damaged = true;
		return 0;
	}
	if (len > 0)
		memcpy(buf, bytes, (size_t) len);
	return (size_t) len;
}

void store_read_blob(struct store_run *run, uint8_t *buf, size_t len)
{
	if (store_read_blob_upto(run, buf, len) != len)
		run->damaged = true;
}

clv_rc store_row_check(struct store_run *run, struct clv_err *err)
{
	struct store *store = run->store;

	if (!run->damaged)
		return CLV_OK;
	/* A column that SQLite could not hand out for want of memory looks damaged, but is not. */
	if (sqlite3_errcode(store->db) == SQLITE_NOMEM)
		return store_fail(store->path, store->db, SQLITE_NOMEM, "sqlite3_column_text", err);
	return store_fail(store->path, NULL, SQLITE_CORRUPT, "reading a row", err);
}
