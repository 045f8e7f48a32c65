-- How many files or objects a collection could not remove. They stay, and the next one tries again.
ALTER TABLE collections ADD COLUMN failed BIGINT NOT NULL DEFAULT 0;
