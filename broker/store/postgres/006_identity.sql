-- 006_identity.sql: a post is its channel, brand and id; the day plays no part.
--
-- Of posts taken twice, under two days of the platform, the one taken last keeps the name.

ALTER TABLE intake_key RENAME TO intake_key_by_day;
ALTER TABLE intake_key_by_day RENAME CONSTRAINT intake_key_pkey TO intake_key_by_day_pkey;
CREATE TABLE intake_key (
    desk text NOT NULL,
    channel text COLLATE "C" NOT NULL,
    post text COLLATE "C" NOT NULL,
    brand text COLLATE "C" NOT NULL,
    item bigint NOT NULL,
    number bigint NOT NULL,
    taken_ms bigint NOT NULL,
    PRIMARY KEY (desk, channel, post, brand)
);
INSERT INTO intake_key (desk, channel, post, brand, item, number, taken_ms)
SELECT DISTINCT ON (k.desk, k.channel, k.post, p.brand COLLATE "C")
       k.desk, k.channel, k.post, p.brand, k.item, k.number, k.taken_ms
FROM intake_key_by_day AS k JOIN post AS p
     ON p.desk = k.desk AND p.item = k.item AND p.number = k.number AND p.taken_ms = k.taken_ms
ORDER BY k.desk, k.channel, k.post, p.brand COLLATE "C", k.item DESC, k.number DESC;
DROP TABLE intake_key_by_day;
CREATE INDEX intake_key_taken ON intake_key (desk, taken_ms);
COMMENT ON TABLE intake_key IS 'Which posts have been taken: what takes a post at most once. What was taken long ago may be dropped.';
COMMENT ON COLUMN intake_key.desk IS 'Name of the desk.';
COMMENT ON COLUMN intake_key.channel IS 'Channel of the post.';
COMMENT ON COLUMN intake_key.post IS 'The platform''s id of the post.';
COMMENT ON COLUMN intake_key.brand IS 'To which brand it was written: with channel and id it names the post.';
COMMENT ON COLUMN intake_key.item IS 'The newest item the post is in.';
COMMENT ON COLUMN intake_key.number IS 'The post''s number within that item.';
COMMENT ON COLUMN intake_key.taken_ms IS 'When the post was taken into that item: finds its month.';

DROP TYPE intake_key_row;
CREATE TYPE intake_key_row AS (
    channel text, post text, brand text, item bigint, number bigint, taken_ms bigint
);
COMMENT ON TYPE intake_key_row IS 'A row of intake_key as the broker writes it.';

ALTER TABLE post ADD COLUMN edited_ms bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN post.edited_ms IS 'When the platform says that the latest text was written; 0: it does not say.';

CREATE TABLE early_change (
    desk text NOT NULL,
    channel text COLLATE "C" NOT NULL,
    post text COLLATE "C" NOT NULL,
    deleted boolean NOT NULL,
    text text NOT NULL,
    edited_ms bigint NOT NULL,
    kept_ms bigint NOT NULL,
    PRIMARY KEY (desk, channel, post)
);
COMMENT ON TABLE early_change IS 'What authors did to posts that have not been taken, kept for a while: it holds once the post comes.';
COMMENT ON COLUMN early_change.desk IS 'Name of the desk.';
COMMENT ON COLUMN early_change.channel IS 'Channel of the post.';
COMMENT ON COLUMN early_change.post IS 'The platform''s id of the post.';
COMMENT ON COLUMN early_change.deleted IS 'Its author has deleted it; else edited.';
COMMENT ON COLUMN early_change.text IS 'The text now; empty when deleted.';
COMMENT ON COLUMN early_change.edited_ms IS 'When it was edited, as the platform says; 0: it does not.';
COMMENT ON COLUMN early_change.kept_ms IS 'When it came.';
