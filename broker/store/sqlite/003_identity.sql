-- 003_identity.sql: a post is its channel, brand and id; the day plays no part.
--
-- Of posts taken twice, under two days of the platform, the one taken last keeps the name.

ALTER TABLE intake_key RENAME TO intake_key_by_day;

-- Which posts have been taken.  The primary key is what takes a post at most once; the platforms' ids mostly ascend.
-- By the time of taking in, old rows can be dropped.
CREATE TABLE intake_key (
    desk TEXT NOT NULL,
    channel TEXT NOT NULL,
    post TEXT NOT NULL,
    brand TEXT NOT NULL,
    item INTEGER NOT NULL,          -- the newest item that the post is in
    number INTEGER NOT NULL,
    taken_ms INTEGER NOT NULL,      -- into that item
    PRIMARY KEY (desk, channel, post, brand)
) STRICT, WITHOUT ROWID;
INSERT OR REPLACE INTO intake_key (desk, channel, post, brand, item, number, taken_ms)
SELECT k.desk, k.channel, k.post, p.brand, k.item, k.number, p.taken_ms
FROM intake_key_by_day AS k JOIN post AS p ON p.desk = k.desk AND p.item = k.item AND p.number = k.number
ORDER BY k.item, k.number;
DROP TABLE intake_key_by_day;
CREATE INDEX intake_key_taken ON intake_key (desk, taken_ms);

-- When the platform says that the text as it is now was written; 0: it does not say, or the post was not edited.
ALTER TABLE post ADD COLUMN edited_ms INTEGER NOT NULL DEFAULT 0;

-- What authors did to posts that have not been taken, kept for a while: it holds once the post comes.
CREATE TABLE early_change (
    desk TEXT NOT NULL,
    channel TEXT NOT NULL,
    post TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    text TEXT NOT NULL,             -- the text now; '' when deleted
    edited_ms INTEGER NOT NULL,     -- as the platform says; 0: it does not
    kept_ms INTEGER NOT NULL,       -- when it came
    PRIMARY KEY (desk, channel, post)
) STRICT;
