-- The key in whose place a key was put by whoever held both: what revokes the one from an instant before revokes the other too.
ALTER TABLE signing_keys ADD COLUMN succeeds {text};
CREATE INDEX signing_keys_by_succession ON signing_keys (succeeds);
