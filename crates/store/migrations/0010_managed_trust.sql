-- What signers vouch for in managed trust repositories, as long as it stands: the entry of a role's file that a piece of evidence was read
-- from. Whatever takes the entry away takes the row, and withdraws the evidence. It ends with the file, or with a newer one that lists the
-- entry still (milliseconds since the epoch).
CREATE TABLE trust_vouches (
  evidence_id BIGINT PRIMARY KEY REFERENCES evidence(id), trust_id BIGINT NOT NULL REFERENCES trust_repositories(id), role {text} NOT NULL,
  tag {text} NOT NULL, expires_at BIGINT NOT NULL
);
CREATE INDEX trust_vouches_by_entry ON trust_vouches (trust_id, role, tag);
-- What was ever published in a delegation's file, by the hash of the signed text and the key that signed it. Such a file names neither its
-- repository nor its role, so each is good once: sent again elsewhere, it would speak for images that its signer never saw there.
CREATE TABLE trust_messages (
  message {text} NOT NULL, key_id {text} NOT NULL, first_at BIGINT NOT NULL, PRIMARY KEY (message, key_id)
);
