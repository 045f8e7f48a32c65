-- Collections of garbage: asked for, under way, done. `holder` is whoever works on it, as long as it is seen. `phase` and
-- `position` are where it stands, so that another process goes on there.
CREATE TABLE collections (
  id {serial}, asked_by {text}, asked_at BIGINT NOT NULL, sweep BIGINT NOT NULL, holder {text}, started_at BIGINT, seen_at BIGINT, finished_at BIGINT,
  phase {text} NOT NULL, position {text} NOT NULL, to_look_at BIGINT NOT NULL, looked_at BIGINT NOT NULL, links BIGINT NOT NULL,
  blobs BIGINT NOT NULL, files BIGINT NOT NULL, orphans BIGINT NOT NULL, bytes BIGINT NOT NULL
);
-- Keys of bytes that no blob names any more and nobody will name again: removed after the transaction that put them here.
CREATE TABLE discarded_files (location {text} PRIMARY KEY, size BIGINT NOT NULL, discarded_at BIGINT NOT NULL);
-- Blobs whose bytes were found to be wrong or missing: not served until they are pushed again.
CREATE TABLE broken_blobs (digest {text} PRIMARY KEY, found_at BIGINT NOT NULL, what {text} NOT NULL);
-- Backups that are being made: while one is seen, no discarded file is removed.
CREATE TABLE backups (id {text} PRIMARY KEY, started_at BIGINT NOT NULL, seen_at BIGINT NOT NULL);
INSERT INTO revisions (name, value) VALUES ('garbage', 0);
