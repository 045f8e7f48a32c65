-- Break-glass: a gate of a policy opened for one manifest in one repository. `until_at` is when it ends by itself: while it waits to be
-- confirmed, when it lapses. Rows stay, with how they ended: `lapsed`, `over` or `withdrawn` (then `ended_by` says by whom).
CREATE TABLE break_glass (
  id {serial}, repository_id BIGINT NOT NULL REFERENCES repositories(id), digest {text} NOT NULL, policy {text} NOT NULL,
  gate {text} NOT NULL, lasts_milliseconds BIGINT NOT NULL, reason {text} NOT NULL, asked_by BIGINT NOT NULL, asked_at BIGINT NOT NULL,
  confirmed_by BIGINT, confirmed_at BIGINT, until_at BIGINT NOT NULL, ended_by BIGINT, ended_at BIGINT, ended_how {text}
);
CREATE INDEX break_glass_open ON break_glass (until_at) WHERE ended_at IS NULL;
CREATE INDEX break_glass_by_image ON break_glass (repository_id, digest) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX break_glass_waiting ON break_glass (repository_id, digest, policy, gate) WHERE confirmed_at IS NULL AND ended_at IS NULL;
