-- 009_media.sql: what a post has besides its text.

ALTER TABLE post ADD COLUMN media bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN post.media IS 'Pictures, films and the like besides the text; 0: none, or the connector does not say.';

ALTER TYPE post_row ADD ATTRIBUTE media bigint;
