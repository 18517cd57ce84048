-- SPDX-License-Identifier: Apache-2.0
-- Schema 5: the seal. One tree of hashes for each location (locations.row); what belongs to no
-- location is in the tree of the first one. Sixteen children to a node, four levels of nodes, 65,536
-- buckets below. A tree without a head is not sealed yet.

-- What each sealed row looked like when it was sealed.
CREATE TABLE leaves (
	tree INTEGER NOT NULL,
	bucket INTEGER NOT NULL CHECK (bucket BETWEEN 0 AND 65535),
	kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 99),
	row INTEGER NOT NULL,
	hash BLOB NOT NULL CHECK (length(hash) = 32),
	PRIMARY KEY (tree, bucket, kind, row)
) STRICT, WITHOUT ROWID;

-- Level 0 is the root; the children of level 3 are buckets.
CREATE TABLE nodes (
	tree INTEGER NOT NULL,
	level INTEGER NOT NULL CHECK (level BETWEEN 0 AND 3),
	number INTEGER NOT NULL CHECK (number BETWEEN 0 AND 4095),
	children BLOB NOT NULL CHECK (length(children) = 512),
	PRIMARY KEY (tree, level, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE heads (
	tree INTEGER PRIMARY KEY,
	epoch INTEGER NOT NULL CHECK (epoch >= 1),
	root BLOB NOT NULL CHECK (length(root) = 32),
	previous BLOB NOT NULL CHECK (length(previous) = 32),
	mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- What rows looked like before they were lowered while no token was there to seal them. Nearly
-- always empty.
CREATE TABLE unsealed (
	tree INTEGER NOT NULL,
	kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 99),
	row INTEGER NOT NULL,
	old BLOB NOT NULL,
	PRIMARY KEY (tree, kind, row)
) STRICT, WITHOUT ROWID;
