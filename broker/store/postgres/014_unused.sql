-- 014_unused.sql: a type of rows that no statement has been given since states of a reply are written as whole rows.

DROP TYPE reply_change_row;
