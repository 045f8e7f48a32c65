-- Keys that the server holds for a principal, sealed with the master key, for one stage. A name is that of one key at a time: the key
-- that follows takes it over, and of the one before nothing is left that could sign.
CREATE TABLE held_keys (
  key_id {text} PRIMARY KEY REFERENCES signing_keys(key_id), name {text} NOT NULL, stage {text} NOT NULL, sealed BYTEA NOT NULL,
  held_since BIGINT NOT NULL, retired_at BIGINT
);
CREATE UNIQUE INDEX held_keys_by_name ON held_keys (name) WHERE retired_at IS NULL;
