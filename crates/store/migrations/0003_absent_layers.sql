-- Layers that an image was pushed without: in its repository it is not indexed before the last of them is there.
CREATE TABLE awaited_layers (
  repository_id BIGINT NOT NULL REFERENCES repositories(id), manifest {text} NOT NULL, digest {text} NOT NULL,
  PRIMARY KEY (repository_id, manifest, digest)
);
CREATE INDEX awaited_layers_by_digest ON awaited_layers (repository_id, digest);
-- Who holds a blob, for a mount that names no repository.
CREATE INDEX repository_blobs_by_digest ON repository_blobs (digest);
