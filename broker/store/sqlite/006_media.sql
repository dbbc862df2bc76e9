-- 006_media.sql: what a post has besides its text.

-- Pictures, films and the like; 0: none, or the connector does not say.
ALTER TABLE post ADD COLUMN media INTEGER NOT NULL DEFAULT 0;
