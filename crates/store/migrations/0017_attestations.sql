-- Attestations are evidence too: what kind of statement one is, a URI. Signatures have none.
ALTER TABLE evidence ADD COLUMN predicate_type {text};
