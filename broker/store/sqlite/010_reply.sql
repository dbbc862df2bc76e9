-- 010_reply.sql: one tree less for each reply that is made and each that is settled.
--
-- Replies that are open are those of open items: they are found by these, which are read at each start anyway.

DROP INDEX reply_open;
