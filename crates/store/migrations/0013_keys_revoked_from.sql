-- Keys revoked from a moment: the first instant whose signatures are distrusted (milliseconds since the epoch). Of a revoked key without
-- one, none of its signatures counts, whenever it was made.
ALTER TABLE signing_keys ADD COLUMN revoked_from BIGINT;
-- What a key signed, and since when: whoever revokes it asks.
CREATE INDEX evidence_by_key ON evidence (key_id, stored_at);
