-- SPDX-License-Identifier: Apache-2.0
-- Schema 1: a home, its locations and tokens, key rings, keys, versions, intents.
--
-- Numbers of enumerations are those of lib/claviger/key.h (Cloud KMS's proto numbers); the CHECKs
-- admit every number of the proto, so that offering one more needs no rebuilt table. Points in
-- time are ns since 1970. Text lengths are counted in bytes, as the buffers they are read into are.
-- AUTOINCREMENT where a row number outlives its row: versions.row is a byte number in gate files.

CREATE TABLE home (
	row INTEGER PRIMARY KEY CHECK (row = 1),
	uuid BLOB NOT NULL CHECK (length(uuid) = 16),
	project TEXT NOT NULL CHECK (length(CAST(project AS BLOB)) BETWEEN 1 AND 63),
	owner TEXT NOT NULL CHECK (length(CAST(owner AS BLOB)) BETWEEN 1 AND 255),
	create_time INTEGER NOT NULL CHECK (create_time >= 0)
) STRICT;

CREATE TABLE locations (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	row_version INTEGER NOT NULL DEFAULT 1 CHECK (row_version >= 1),
	id TEXT NOT NULL UNIQUE CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 63),
	create_time INTEGER NOT NULL CHECK (create_time >= 0)
) STRICT;

CREATE TABLE tokens (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	row_version INTEGER NOT NULL DEFAULT 1 CHECK (row_version >= 1),
	location INTEGER NOT NULL REFERENCES locations (row),
	uri TEXT NOT NULL CHECK (length(CAST(uri AS BLOB)) BETWEEN 1 AND 1023),
	serial TEXT NOT NULL CHECK (length(CAST(serial AS BLOB)) <= 16),
	label TEXT NOT NULL CHECK (length(CAST(label AS BLOB)) <= 32),
	manufacturer TEXT NOT NULL CHECK (length(CAST(manufacturer AS BLOB)) <= 32),
	model TEXT NOT NULL CHECK (length(CAST(model AS BLOB)) <= 16),
	log_key_pem TEXT NOT NULL CHECK (length(CAST(log_key_pem AS BLOB)) <= 1023),
	attach_time INTEGER NOT NULL CHECK (attach_time >= 0),
	root_id BLOB NOT NULL CHECK (length(root_id) = 16),
	seal_id BLOB NOT NULL CHECK (length(seal_id) = 16),
	log_id BLOB NOT NULL CHECK (length(log_id) = 16),
	anchor_0_id BLOB NOT NULL CHECK (length(anchor_0_id) = 16),
	anchor_1_id BLOB NOT NULL CHECK (length(anchor_1_id) = 16)
) STRICT;

CREATE INDEX tokens_of_location ON tokens (location);

-- A token serves one location.
CREATE UNIQUE INDEX tokens_once ON tokens (manufacturer, model, serial);

CREATE TABLE key_rings (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	row_version INTEGER NOT NULL DEFAULT 1 CHECK (row_version >= 1),
	location INTEGER NOT NULL REFERENCES locations (row),
	project TEXT NOT NULL CHECK (length(CAST(project AS BLOB)) BETWEEN 1 AND 63),
	id TEXT NOT NULL CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 63),
	create_time INTEGER NOT NULL CHECK (create_time >= 0),
	kek_id BLOB NOT NULL CHECK (length(kek_id) = 16),
	root_id BLOB NOT NULL CHECK (length(root_id) = 16),
	kek_blob BLOB NOT NULL CHECK (length(kek_blob) BETWEEN 1 AND 2560),
	UNIQUE (location, project, id)
) STRICT;

CREATE TABLE crypto_keys (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	row_version INTEGER NOT NULL DEFAULT 1 CHECK (row_version >= 1),
	key_ring INTEGER NOT NULL REFERENCES key_rings (row),
	id TEXT NOT NULL CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 63),
	purpose INTEGER NOT NULL CHECK (purpose BETWEEN 1 AND 10),
	algorithm INTEGER NOT NULL CHECK (algorithm BETWEEN 1 AND 255),
	protection INTEGER NOT NULL CHECK (protection BETWEEN 1 AND 5),
	residency INTEGER NOT NULL CHECK (residency IN (1, 2)),
	create_time INTEGER NOT NULL CHECK (create_time >= 0),
	-- The version's number, not its row. Looked at when the transaction ends: a key is added
	-- before its first version is.
	primary_number INTEGER CHECK (primary_number >= 1),
	UNIQUE (key_ring, id),
	FOREIGN KEY (row, primary_number) REFERENCES versions (crypto_key, number)
		DEFERRABLE INITIALLY DEFERRED
) STRICT;

-- `location` repeats what crypto_key and key_ring lead to, so that a location's versions are
-- counted, and its unfinished ones found, by one index each.
CREATE TABLE versions (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	row_version INTEGER NOT NULL DEFAULT 1 CHECK (row_version >= 1),
	crypto_key INTEGER NOT NULL REFERENCES crypto_keys (row),
	location INTEGER NOT NULL REFERENCES locations (row),
	number INTEGER NOT NULL CHECK (number >= 1),
	uid BLOB NOT NULL UNIQUE CHECK (length(uid) = 16),
	state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 10),
	algorithm INTEGER NOT NULL CHECK (algorithm BETWEEN 1 AND 255),
	protection INTEGER NOT NULL CHECK (protection BETWEEN 1 AND 5),
	residency INTEGER NOT NULL CHECK (residency IN (1, 2)),
	create_time INTEGER NOT NULL CHECK (create_time >= 0),
	generate_time INTEGER NOT NULL CHECK (generate_time >= 0),
	state_time INTEGER NOT NULL CHECK (state_time >= 0),
	state_principal TEXT NOT NULL CHECK (length(CAST(state_principal AS BLOB)) <= 255),
	state_reason TEXT NOT NULL CHECK (length(CAST(state_reason AS BLOB)) <= 255),
	-- residency 1 (WRAPPED) has a blob, residency 2 (TOKEN) has flags in the token; what is
	-- destroyed (state 3) has neither any more.
	blob BLOB CHECK ((residency = 1 AND state <> 3) = (blob IS NOT NULL)
		AND length(blob) BETWEEN 1 AND 2560),
	token_enabled INTEGER CHECK ((residency = 2 AND state <> 3) = (token_enabled IS NOT NULL)
		AND token_enabled IN (0, 1)),
	UNIQUE (crypto_key, number)
) STRICT;

CREATE INDEX versions_by_state ON versions (location, state);

-- Versions whose flags in the token do not follow their state (1: ENABLED). Nearly always empty.
CREATE INDEX versions_pending ON versions (location)
	WHERE residency = 2 AND token_enabled <> (state = 1);

-- An intent may stand before its location does: no foreign key.
CREATE TABLE intents (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 63),
	location TEXT NOT NULL CHECK (length(CAST(location AS BLOB)) BETWEEN 1 AND 63),
	detail TEXT NOT NULL CHECK (length(CAST(detail AS BLOB)) <= 511),
	time INTEGER NOT NULL CHECK (time >= 0)
) STRICT;

CREATE INDEX intents_of_location ON intents (location);

-- Names and numbers are never used again, so what bears them stays.
CREATE TRIGGER key_rings_stay BEFORE DELETE ON key_rings
BEGIN SELECT RAISE(ABORT, 'key rings are never deleted'); END;

CREATE TRIGGER crypto_keys_stay BEFORE DELETE ON crypto_keys
BEGIN SELECT RAISE(ABORT, 'keys are never deleted'); END;

CREATE TRIGGER versions_stay BEFORE DELETE ON versions
BEGIN SELECT RAISE(ABORT, 'versions are never deleted'); END;
