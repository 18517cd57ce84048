-- SPDX-License-Identifier: Apache-2.0
-- Schema 3: rotation by schedule, labels, keys whose versions are imported, public halves, import
-- jobs, and how many operations a version may have done.

ALTER TABLE crypto_keys ADD COLUMN rotation_period INTEGER
	CHECK (rotation_period BETWEEN 86400000000000 AND 3153600000000000000);

ALTER TABLE crypto_keys ADD COLUMN next_rotation_time INTEGER CHECK (next_rotation_time >= 0);

ALTER TABLE crypto_keys ADD COLUMN import_only INTEGER NOT NULL DEFAULT 0
	CHECK (import_only IN (0, 1));

-- "key=value,key=value", sorted by key; neither of '=' and ',' can stand in a key or value.
ALTER TABLE crypto_keys ADD COLUMN labels TEXT NOT NULL DEFAULT ''
	CHECK (length(CAST(labels AS BLOB)) <= 8192);

-- Its first row is the next rotation.
CREATE INDEX crypto_keys_due ON crypto_keys (next_rotation_time)
	WHERE next_rotation_time IS NOT NULL;

-- The public half as a SubjectPublicKeyInfo; secret keys have none. It outlives the private half.
ALTER TABLE versions ADD COLUMN public_key BLOB CHECK (length(public_key) BETWEEN 1 AND 800);

-- An imported version was made elsewhere: generate_time is 0. The check value tells whether the
-- same key is imported again.
ALTER TABLE versions ADD COLUMN import_job TEXT
	CHECK (length(CAST(import_job AS BLOB)) BETWEEN 1 AND 63);

ALTER TABLE versions ADD COLUMN import_time INTEGER
	CHECK ((import_job IS NOT NULL) = (import_time IS NOT NULL) AND import_time >= 0);

ALTER TABLE versions ADD COLUMN check_value BLOB
	CHECK ((import_job IS NOT NULL) = (check_value IS NOT NULL) AND length(check_value) = 32);

-- An RSA key in whose public half others wrap what they bring. State 2 is ACTIVE, 3 EXPIRED: then
-- the private half is gone.
CREATE TABLE import_jobs (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	row_version INTEGER NOT NULL DEFAULT 1 CHECK (row_version >= 1),
	key_ring INTEGER NOT NULL REFERENCES key_rings (row),
	id TEXT NOT NULL CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 63),
	method INTEGER NOT NULL CHECK (method BETWEEN 1 AND 10),
	protection INTEGER NOT NULL CHECK (protection BETWEEN 1 AND 5),
	state INTEGER NOT NULL CHECK (state IN (2, 3)),
	create_time INTEGER NOT NULL CHECK (create_time >= 0),
	expire_time INTEGER NOT NULL CHECK (expire_time >= create_time),
	expire_event_time INTEGER
		CHECK ((state = 3) = (expire_event_time IS NOT NULL) AND expire_event_time >= 0),
	uid BLOB NOT NULL UNIQUE CHECK (length(uid) = 16),
	public_key BLOB NOT NULL CHECK (length(public_key) BETWEEN 1 AND 800),
	blob BLOB CHECK ((state = 2) = (blob IS NOT NULL) AND length(blob) BETWEEN 1 AND 2560),
	UNIQUE (key_ring, id)
) STRICT;

CREATE INDEX import_jobs_due ON import_jobs (expire_time) WHERE state = 2;

CREATE TRIGGER import_jobs_stay BEFORE DELETE ON import_jobs
BEGIN SELECT RAISE(ABORT, 'import jobs are never deleted'); END;

-- How many operations processes have taken leave to do with a version, in blocks. What a process
-- did not use of its block counts as done. Beside the versions, whose rows it must not touch.
CREATE TABLE operation_counts (
	version INTEGER PRIMARY KEY REFERENCES versions (row),
	reserved INTEGER NOT NULL CHECK (reserved >= 0)
) STRICT;

-- Versions that have done so much that their key is to be rotated (2^31). Nearly always empty.
CREATE INDEX operation_counts_high ON operation_counts (version) WHERE reserved >= 2147483648;
