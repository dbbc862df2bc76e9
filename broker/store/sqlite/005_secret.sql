-- 005_secret.sql: what a desk proves to itself by: see broker/beyond.c.

-- Made once, and in every copy of the database.  Whoever comes back with a number of the desk's and this proof of it was
-- told the number by this desk, though its tables may not know of it any more.
CREATE TABLE secret (
    desk TEXT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL
) STRICT, WITHOUT ROWID;
