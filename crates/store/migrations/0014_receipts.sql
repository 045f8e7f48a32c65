-- The live receipt of each gate for a manifest of a repository: which manifest carries it, what it says in short, and when the next one is
-- due. There is a row for no other receipt: a new one takes the place of the old, and its manifest goes with it.
CREATE TABLE receipts (
  repository_id BIGINT NOT NULL REFERENCES repositories(id), digest {text} NOT NULL, policy {text} NOT NULL, gate {text} NOT NULL,
  manifest {text} NOT NULL, bundle {text} NOT NULL, key_id {text} NOT NULL, says {text} NOT NULL, sequence BIGINT NOT NULL,
  issued_at BIGINT NOT NULL, valid_until BIGINT NOT NULL, renew_at BIGINT NOT NULL, PRIMARY KEY (repository_id, digest, policy, gate)
);
CREATE INDEX receipts_due ON receipts (renew_at);
CREATE INDEX receipts_by_manifest ON receipts (repository_id, manifest);
