-- 012_statistics.sql: tables that have grown are looked at, so that the server plans for what they are.
--
-- A plan that was made for an empty table finds a row by its desk alone, and walks through all of them until somebody
-- analyses the table: the server's own worker does after a minute, or never.  The applier does, as it knows when it has
-- written much.

CREATE FUNCTION analyse_grown() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    grown text;
BEGIN
    -- To eight times what they were when they were last looked at; those that somebody else looks at are his.
    SELECT string_agg(format('behalf.%I', c.relname), ', ') INTO grown FROM pg_class AS c
    WHERE c.relnamespace = 'behalf'::regnamespace AND c.relkind = 'r' AND c.relname <> 'journal'
      AND pg_relation_size(c.oid) > 8 * greatest(c.relpages, 1) * current_setting('block_size')::bigint;
    IF grown IS NOT NULL THEN
        EXECUTE 'ANALYZE (SKIP_LOCKED) ' || grown;
    END IF;
    RETURN (grown IS NOT NULL)::integer;
END $$;
COMMENT ON FUNCTION analyse_grown IS 'Makes the statistics of tables anew that have grown to eight times their size since.';
