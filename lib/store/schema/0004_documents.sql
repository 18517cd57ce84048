-- SPDX-License-Identifier: Apache-2.0
-- Schema 4: policy documents: who may do what, and where. Kinds are those of enum policy_kind.

CREATE TABLE documents (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	-- The epoch of its last change: no two contents of a document ever have the same one, also
	-- when it was removed in between.
	row_version INTEGER NOT NULL CHECK (row_version >= 1),
	kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 99),
	name TEXT NOT NULL CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 511),
	text TEXT NOT NULL CHECK (length(CAST(text AS BLOB)) BETWEEN 1 AND 4194304),
	update_time INTEGER NOT NULL CHECK (update_time >= 0),
	update_principal TEXT NOT NULL CHECK (length(CAST(update_principal AS BLOB)) <= 255),
	UNIQUE (kind, name)
) STRICT;

-- How many changes there were to documents: who remembers what they say asks whether it moved.
CREATE TABLE policy_epoch (
	row INTEGER PRIMARY KEY CHECK (row = 1),
	epoch INTEGER NOT NULL CHECK (epoch >= 1)
) STRICT;

INSERT INTO policy_epoch (row, epoch) VALUES (1, 1);
