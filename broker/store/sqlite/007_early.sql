-- 007_early.sql: of a post that has not been taken all its texts are kept, as a rule may hold for an older one.

CREATE TABLE early_change_of_post (
    desk TEXT NOT NULL,
    channel TEXT NOT NULL,
    post TEXT NOT NULL,
    number INTEGER NOT NULL,        -- the highest is its text now
    deleted INTEGER NOT NULL,
    text TEXT NOT NULL,             -- '' when deleted
    edited_ms INTEGER NOT NULL,     -- as the platform says; 0: it does not
    kept_ms INTEGER NOT NULL,       -- when it came
    PRIMARY KEY (desk, channel, post, number)
) STRICT;
INSERT INTO early_change_of_post SELECT desk, channel, post, 0, deleted, text, edited_ms, kept_ms FROM early_change;
DROP TABLE early_change;
ALTER TABLE early_change_of_post RENAME TO early_change;
