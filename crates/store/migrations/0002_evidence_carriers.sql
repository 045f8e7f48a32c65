-- The manifests that carry a piece of evidence: it is withdrawn with the last one. `evidence.manifest` is one of them.
CREATE TABLE evidence_carriers (
  evidence_id BIGINT NOT NULL REFERENCES evidence(id), manifest {text} NOT NULL, PRIMARY KEY (evidence_id, manifest)
);
CREATE INDEX evidence_carriers_by_manifest ON evidence_carriers (manifest);
INSERT INTO evidence_carriers (evidence_id, manifest) SELECT id, manifest FROM evidence WHERE withdrawn_at IS NULL;
