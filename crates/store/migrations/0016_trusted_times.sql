-- Signatures with certificates bring times of their own (milliseconds since the epoch): by when a signature was there as a timestamping
-- authority or a log says, which is what a revocation from a moment is judged by; and the end that its signer set.
ALTER TABLE evidence ADD COLUMN trusted_at BIGINT;
ALTER TABLE evidence ADD COLUMN ends_at BIGINT;
