-- 010_early.sql: of a post that has not been taken all its texts are kept, as a rule may hold for an older one.

ALTER TABLE early_change ADD COLUMN number bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN early_change.number IS 'Counts the texts of the post: the highest is its text now.';
COMMENT ON COLUMN early_change.text IS 'A text that its author gave it; empty when deleted.';
ALTER TABLE early_change DROP CONSTRAINT early_change_pkey;
ALTER TABLE early_change ADD PRIMARY KEY (desk, channel, post, number);
