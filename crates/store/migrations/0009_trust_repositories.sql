-- Trust repositories, one for each whole name by which publishers call it (host, port and path). It belongs to a repository of
-- the registry, whose rights hold for it. `revision` is raised by every change: an update that was judged at an older one is judged
-- again. `resign_at` is when the server has to sign its part again, NULL while there is nothing to sign.
CREATE TABLE trust_repositories (
  id {serial}, gun {text} NOT NULL UNIQUE, repository_id BIGINT NOT NULL REFERENCES repositories(id), revision BIGINT NOT NULL,
  created_at BIGINT NOT NULL, resign_at BIGINT
);
CREATE INDEX trust_repositories_by_repository ON trust_repositories (repository_id);
CREATE INDEX trust_repositories_due ON trust_repositories (resign_at) WHERE resign_at IS NOT NULL;
-- Every file that was published, byte for byte.
CREATE TABLE trust_files (
  trust_id BIGINT NOT NULL REFERENCES trust_repositories(id), role {text} NOT NULL, version BIGINT NOT NULL, sha256 {text} NOT NULL,
  content BYTEA NOT NULL, stored_at BIGINT NOT NULL, PRIMARY KEY (trust_id, role, version)
);
CREATE INDEX trust_files_by_hash ON trust_files (trust_id, sha256);
-- The highest version of each role that was ever stored, and the one that readers are given: the timestamp, the snapshot that it names,
-- and what this one lists. NULL for a delegation that is not listed any more.
CREATE TABLE trust_roles (
  trust_id BIGINT NOT NULL REFERENCES trust_repositories(id), role {text} NOT NULL, latest BIGINT NOT NULL, current BIGINT,
  PRIMARY KEY (trust_id, role)
);
-- The server's keys for `snapshot` and `timestamp`. `named_at` is when a published root first named the key. Until then it waits.
CREATE TABLE trust_keys (
  trust_id BIGINT NOT NULL REFERENCES trust_repositories(id), role {text} NOT NULL, key_id {text} NOT NULL, public_pem {text} NOT NULL,
  sealed BYTEA NOT NULL, created_at BIGINT NOT NULL, named_at BIGINT, PRIMARY KEY (trust_id, role, key_id)
);
-- What changed, one row for each new timestamp and each deletion. `trust` is raised by whoever writes one, so that their numbers become
-- visible in their order.
CREATE TABLE trust_changes (
  id {serial}, gun {text} NOT NULL, version BIGINT NOT NULL, sha256 {text} NOT NULL, category {text} NOT NULL, changed_at BIGINT NOT NULL
);
CREATE INDEX trust_changes_by_gun ON trust_changes (gun, id);
INSERT INTO revisions (name, value) VALUES ('trust', 0);
