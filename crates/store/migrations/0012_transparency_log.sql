-- The audit log as others read it. `audit_nodes` are the roots of full tiles: node `place` of `level` is made of 256 of the level below,
-- where level 0 is `audit.leaf_hash`. The newest checkpoint, and older ones while a witness signed them.
CREATE TABLE audit_nodes (level BIGINT NOT NULL, place BIGINT NOT NULL, hash BYTEA NOT NULL, PRIMARY KEY (level, place));
CREATE TABLE audit_checkpoints (size BIGINT PRIMARY KEY, note {text} NOT NULL, signed_at BIGINT NOT NULL);
CREATE TABLE audit_cosignatures (
  witness {text} NOT NULL, size BIGINT NOT NULL, line {text} NOT NULL, cosigned_at BIGINT NOT NULL, PRIMARY KEY (witness, size)
);
CREATE INDEX audit_cosignatures_by_size ON audit_cosignatures (size);
-- As a witness of other logs: the last checkpoint of each that was signed. Counter `witness` is locked while one is.
CREATE TABLE witnessed_logs (origin {text} PRIMARY KEY, size BIGINT NOT NULL, root BYTEA NOT NULL, note {text} NOT NULL, signed_at BIGINT NOT NULL);
INSERT INTO revisions (name, value) VALUES ('witness', 0);
