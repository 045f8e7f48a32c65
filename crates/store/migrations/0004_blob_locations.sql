-- Where a blob's bytes lie: a key of its own for each upload. NULL is the place of older versions, which follows from the digest.
ALTER TABLE blobs ADD COLUMN location {text};
