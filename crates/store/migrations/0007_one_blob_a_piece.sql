-- Pieces of uploads to a bucket belong to one blob each. Where two got the same one, the second has lost its bytes: a place that
-- follows from its digest, where nothing is, says so, and it is healed when it is pushed again.
UPDATE blobs SET location = NULL WHERE digest IN (
  SELECT MAX(digest) FROM blobs WHERE location >= 'uploads/' AND location < 'uploads0' GROUP BY location HAVING COUNT(*) > 1
);
CREATE UNIQUE INDEX blobs_by_piece ON blobs (location) WHERE location >= 'uploads/' AND location < 'uploads0';
