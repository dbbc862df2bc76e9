-- 008_secret.sql: what a desk proves to itself by: see broker/beyond.c.
--
-- Made once, and in every copy of the database.  Whoever comes back with a number of the desk's and this proof of it was
-- told the number by this desk, though its tables may not know of it any more.

CREATE TABLE secret (
    desk text NOT NULL PRIMARY KEY,
    secret text NOT NULL
);
COMMENT ON TABLE secret IS 'One row a desk: by what it knows again the numbers that it has told its clients.';
COMMENT ON COLUMN secret.desk IS 'Name of the desk.';
COMMENT ON COLUMN secret.secret IS 'Random, and told to nobody.';
