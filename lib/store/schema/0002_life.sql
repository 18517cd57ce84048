-- SPDX-License-Identifier: Apache-2.0
-- Schema 2: the end of a version's life. A key says how long its versions wait between the order to
-- destroy them and its execution; a version says when that is, and when it was done.

ALTER TABLE crypto_keys ADD COLUMN destroy_delay INTEGER NOT NULL DEFAULT 2592000000000000
	CHECK (destroy_delay BETWEEN 86400000000000 AND 10368000000000000);

ALTER TABLE versions ADD COLUMN destroy_time INTEGER
	CHECK ((state = 4) = (destroy_time IS NOT NULL) AND destroy_time >= 0);

ALTER TABLE versions ADD COLUMN destroy_event_time INTEGER
	CHECK ((state = 3) = (destroy_event_time IS NOT NULL) AND destroy_event_time >= 0);

-- Nearly always short; its first row is the next thing to do.
CREATE INDEX versions_due ON versions (destroy_time) WHERE state = 4;
