-- One schema for both databases. The migrator replaces the two words that differ before it runs a file:
-- `{serial}` (the key that counts itself) and `{text}` (text compared byte by byte).
-- Times are BIGINT milliseconds since the epoch, flags BIGINT 0/1, JSON is text, blobs are BYTEA.

-- Accounts -----------------------------------------------------------------------------------------------
CREATE TABLE principals (
  id {serial}, kind {text} NOT NULL, name {text} NOT NULL UNIQUE, owner_id BIGINT REFERENCES principals(id),
  password_hash {text}, active BIGINT NOT NULL, created_at BIGINT NOT NULL
);
CREATE TABLE teams (id {serial}, name {text} NOT NULL UNIQUE, created_at BIGINT NOT NULL);
CREATE TABLE team_members (
  team_id BIGINT NOT NULL REFERENCES teams(id), principal_id BIGINT NOT NULL REFERENCES principals(id),
  added_at BIGINT NOT NULL, PRIMARY KEY (team_id, principal_id)
);
CREATE TABLE grants (
  id {serial}, grantee_kind {text} NOT NULL, principal_id BIGINT REFERENCES principals(id), team_id BIGINT REFERENCES teams(id),
  role {text} NOT NULL, pattern {text} NOT NULL, created_at BIGINT NOT NULL
);
CREATE TABLE tokens (
  id {serial}, principal_id BIGINT NOT NULL REFERENCES principals(id), name {text} NOT NULL, hash {text} NOT NULL UNIQUE,
  ceiling {text} NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT, revoked_at BIGINT
);
CREATE TABLE signing_keys (
  key_id {text} PRIMARY KEY, principal_id BIGINT NOT NULL REFERENCES principals(id), name {text} NOT NULL, public_pem {text} NOT NULL,
  scope {text} NOT NULL, registered_at BIGINT NOT NULL, revoked_at BIGINT
);
CREATE TABLE possession_challenges (
  nonce {text} PRIMARY KEY, principal_id BIGINT NOT NULL REFERENCES principals(id), key_id {text} NOT NULL, expires_at BIGINT NOT NULL
);
CREATE TABLE server_keys (
  purpose {text} NOT NULL, key_id {text} NOT NULL, public_pem {text} NOT NULL, sealed BYTEA NOT NULL, created_at BIGINT NOT NULL,
  retired_at BIGINT, PRIMARY KEY (purpose, key_id)
);
-- Counters that caches depend on: `directory` (accounts, teams, grants, keys), `policies`, `advisories` (whether there are
-- any). `feeds` is raised by every import that changed a record: matches with an older set are not written over newer ones.
-- Also locks: `server-keys` while one is made, `audit` while rows are sealed.
CREATE TABLE revisions (name {text} PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO revisions (name, value) VALUES ('directory', 0), ('policies', 0), ('advisories', 0), ('feeds', 0), ('server-keys', 0), ('audit', 0);

-- Catalogue ----------------------------------------------------------------------------------------------
CREATE TABLE repositories (id {serial}, name {text} NOT NULL UNIQUE, created_at BIGINT NOT NULL);
CREATE TABLE blobs (digest {text} PRIMARY KEY, size BIGINT NOT NULL, stored_at BIGINT NOT NULL);
CREATE TABLE repository_blobs (
  repository_id BIGINT NOT NULL REFERENCES repositories(id), digest {text} NOT NULL REFERENCES blobs(digest), linked_at BIGINT NOT NULL,
  PRIMARY KEY (repository_id, digest)
);
CREATE TABLE manifests (
  repository_id BIGINT NOT NULL REFERENCES repositories(id), digest {text} NOT NULL, media_type {text} NOT NULL, shape {text} NOT NULL,
  artifact_type {text}, subject {text}, annotations {text} NOT NULL, content BYTEA NOT NULL, pushed_at BIGINT NOT NULL,
  pushed_by BIGINT, facts_revision BIGINT NOT NULL, PRIMARY KEY (repository_id, digest)
);
CREATE INDEX manifests_by_subject ON manifests (repository_id, subject);
CREATE INDEX manifests_by_digest ON manifests (digest);
-- What a manifest refers to: kind is `config`, `layer` or `child`.
CREATE TABLE manifest_references (
  repository_id BIGINT NOT NULL, manifest {text} NOT NULL, position BIGINT NOT NULL, kind {text} NOT NULL, digest {text} NOT NULL,
  media_type {text} NOT NULL, size BIGINT NOT NULL, platform {text}, PRIMARY KEY (repository_id, manifest, position)
);
CREATE INDEX manifest_references_by_digest ON manifest_references (repository_id, digest);
CREATE TABLE tags (
  repository_id BIGINT NOT NULL REFERENCES repositories(id), name {text} NOT NULL, digest {text} NOT NULL, updated_at BIGINT NOT NULL,
  PRIMARY KEY (repository_id, name)
);
CREATE INDEX tags_by_digest ON tags (repository_id, digest);
-- Who first brought a digest to this server; never changed, also when the manifest is deleted.
CREATE TABLE first_pushes (digest {text} PRIMARY KEY, principal_id BIGINT, pushed_at BIGINT NOT NULL);
CREATE TABLE uploads (id {text} PRIMARY KEY, repository_id BIGINT NOT NULL, principal_id BIGINT, started_at BIGINT NOT NULL);

-- Evidence -----------------------------------------------------------------------------------------------
CREATE TABLE evidence (
  id {serial}, repository_id BIGINT NOT NULL REFERENCES repositories(id), attached_to {text} NOT NULL, manifest {text} NOT NULL,
  fingerprint {text} NOT NULL, format {text} NOT NULL, subject {text}, stage {text}, named_repository {text}, key_id {text}, key_hint {text},
  verdict {text} NOT NULL, why {text}, raw BYTEA NOT NULL, signature {text}, pushed_by BIGINT, stored_at BIGINT NOT NULL, withdrawn_at BIGINT,
  UNIQUE (repository_id, attached_to, fingerprint)
);
CREATE INDEX evidence_by_manifest ON evidence (repository_id, manifest);
CREATE INDEX evidence_by_verdict ON evidence (verdict);
-- When the server first recorded (signed) an automatic stage of a digest.
CREATE TABLE stage_records (
  repository_id BIGINT NOT NULL, digest {text} NOT NULL, policy {text} NOT NULL, stage {text} NOT NULL, recorded_at BIGINT NOT NULL,
  manifest {text}, PRIMARY KEY (repository_id, digest, policy, stage)
);

-- Inventories --------------------------------------------------------------------------------------------
CREATE TABLE layer_inventories (
  digest {text} NOT NULL, scanner_version BIGINT NOT NULL, inventory BYTEA NOT NULL, created_at BIGINT NOT NULL,
  PRIMARY KEY (digest, scanner_version)
);
-- state is `complete`, `incomplete` or `unscannable` (then `kind` says what it is), a missing row is an image that is not
-- indexed yet.
CREATE TABLE images (
  digest {text} PRIMARY KEY, scanner_version BIGINT NOT NULL, state {text} NOT NULL, kind {text}, distro {text},
  problems {text} NOT NULL, indexed_at BIGINT NOT NULL
);
-- A component with a key counts as matched once its findings were written while there were advisories.
CREATE TABLE components (
  id {serial}, identity {text} NOT NULL UNIQUE, purl {text} NOT NULL, kind {text} NOT NULL, name {text} NOT NULL, version {text} NOT NULL,
  package {text} NOT NULL, ecosystem {text}, key_name {text}, match_version {text}, matched_at BIGINT
);
CREATE INDEX components_by_key ON components (key_name, ecosystem);
CREATE INDEX components_by_purl ON components (purl);
CREATE TABLE image_components (
  image {text} NOT NULL, position BIGINT NOT NULL, component_id BIGINT NOT NULL REFERENCES components(id), layer {text} NOT NULL,
  layer_index BIGINT NOT NULL, instruction {text}, path {text} NOT NULL, owner {text}, PRIMARY KEY (image, position)
);
CREATE INDEX image_components_by_component ON image_components (component_id);

-- Advisories and findings --------------------------------------------------------------------------------
-- Append-only revisions; `current` marks the newest one, `removed` a record that its source no longer carries.
CREATE TABLE advisories (
  source {text} NOT NULL, advisory_id {text} NOT NULL, revision BIGINT NOT NULL, semantic_hash {text} NOT NULL, record {text} NOT NULL,
  modified_at BIGINT, held_at BIGINT NOT NULL, current BIGINT NOT NULL, removed BIGINT NOT NULL,
  PRIMARY KEY (source, advisory_id, revision)
);
CREATE INDEX advisories_by_current ON advisories (current, source);
-- Keys and aliases of the current records that are neither removed nor withdrawn.
CREATE TABLE advisory_keys (source {text} NOT NULL, advisory_id {text} NOT NULL, ecosystem {text} NOT NULL, name {text} NOT NULL,
  PRIMARY KEY (ecosystem, name, source, advisory_id));
CREATE INDEX advisory_keys_by_advisory ON advisory_keys (source, advisory_id);
CREATE TABLE advisory_aliases (alias {text} NOT NULL, source {text} NOT NULL, advisory_id {text} NOT NULL, PRIMARY KEY (alias, source, advisory_id));
CREATE INDEX advisory_aliases_by_advisory ON advisory_aliases (source, advisory_id);
-- When this server first held an advisory (any id of it) for a package: grace runs from here.
CREATE TABLE advisory_first_held (
  id {text} NOT NULL, ecosystem {text} NOT NULL, name {text} NOT NULL, held_at BIGINT NOT NULL, PRIMARY KEY (id, ecosystem, name)
);
CREATE TABLE known_exploited (id {text} NOT NULL, source {text} NOT NULL, held_at BIGINT NOT NULL, PRIMARY KEY (id, source));
CREATE TABLE advisory_sources (
  source {text} PRIMARY KEY, imported_at BIGINT NOT NULL, advisories BIGINT NOT NULL, known_exploited BIGINT NOT NULL,
  newest_at BIGINT NOT NULL, snapshot {text} NOT NULL
);
CREATE TABLE findings (
  component_id BIGINT NOT NULL REFERENCES components(id), group_id {text} NOT NULL, ids {text} NOT NULL, advisory_ids {text} NOT NULL,
  severity {text} NOT NULL, cvss {text}, fixed_version {text}, known_exploited BIGINT NOT NULL, summary {text} NOT NULL, affected_range {text} NOT NULL,
  first_held_at BIGINT NOT NULL, found_at BIGINT NOT NULL, PRIMARY KEY (component_id, group_id)
);
CREATE INDEX findings_by_group ON findings (group_id);

-- Policies and decisions ---------------------------------------------------------------------------------
CREATE TABLE policies (
  name {text} NOT NULL, revision BIGINT NOT NULL, digest {text} NOT NULL, document {text} NOT NULL, current BIGINT NOT NULL,
  applied_at BIGINT NOT NULL, applied_by BIGINT, PRIMARY KEY (name, revision)
);
CREATE TABLE decisions (
  repository_id BIGINT NOT NULL, digest {text} NOT NULL, policy {text} NOT NULL, gate {text} NOT NULL, facts_key {text} NOT NULL,
  outcome {text} NOT NULL, decision {text} NOT NULL, holds_until BIGINT, decided_at BIGINT NOT NULL,
  PRIMARY KEY (repository_id, digest, policy, gate)
);
CREATE INDEX decisions_by_end ON decisions (holds_until);

-- Work, events, audit ------------------------------------------------------------------------------------
-- `locked_until` is 0 while nobody works on it; `again` is when to run once more after the run that is under way, or 0.
CREATE TABLE jobs (
  id {serial}, kind {text} NOT NULL, key {text} NOT NULL, payload {text} NOT NULL, run_at BIGINT NOT NULL, attempts BIGINT NOT NULL,
  locked_until BIGINT NOT NULL, again BIGINT NOT NULL, last_error {text}, UNIQUE (kind, key)
);
CREATE INDEX jobs_by_time ON jobs (run_at);
CREATE TABLE events (
  sequence {serial}, id {text} NOT NULL UNIQUE, type {text} NOT NULL, ordering_key {text} NOT NULL, repository {text}, digest {text},
  data {text} NOT NULL, happened_at BIGINT NOT NULL
);
CREATE TABLE webhooks (
  id {serial}, name {text} NOT NULL UNIQUE, url {text} NOT NULL, sealed_secret BYTEA NOT NULL, active BIGINT NOT NULL, created_at BIGINT NOT NULL
);
CREATE TABLE deliveries (
  webhook_id BIGINT NOT NULL REFERENCES webhooks(id), sequence BIGINT NOT NULL REFERENCES events(sequence), ordering_key {text} NOT NULL,
  attempts BIGINT NOT NULL, next_at BIGINT NOT NULL, delivered_at BIGINT, last_error {text}, PRIMARY KEY (webhook_id, sequence)
);
CREATE INDEX deliveries_open ON deliveries (next_at) WHERE delivered_at IS NULL;
CREATE INDEX deliveries_open_by_key ON deliveries (webhook_id, ordering_key, sequence) WHERE delivered_at IS NULL;
CREATE TABLE audit (
  id {serial}, happened_at BIGINT NOT NULL, actor {text} NOT NULL, act {text} NOT NULL, object {text} NOT NULL, detail {text} NOT NULL,
  leaf_index BIGINT UNIQUE, leaf_hash BYTEA
);
