-- 013_drained.sql: before a later migration rewrites tables, they are to show all that was decided.
--
-- Such a migration begins with SELECT require_drained(): what is in the journal was written for the tables of before.  A
-- migration that only adds to tables does without, as every broker reads what older ones have written.

CREATE FUNCTION require_drained(longest interval DEFAULT '10 s') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    until_time timestamptz := clock_timestamp() + longest;
    behind text;
BEGIN
    -- Nothing is appended any more; whoever applies does not write this table.
    LOCK TABLE behalf.desk IN SHARE ROW EXCLUSIVE MODE;
    LOOP
        SELECT string_agg(d.desk, ', ' ORDER BY d.desk) INTO behind
        FROM behalf.desk AS d LEFT JOIN behalf.applied AS a ON a.desk = d.desk
        WHERE a.sequence IS DISTINCT FROM d.sequence OR EXISTS (SELECT FROM behalf.journal AS j WHERE j.desk = d.desk);
        EXIT WHEN behind IS NULL;
        IF clock_timestamp() >= until_time THEN
            RAISE EXCEPTION 'the tables do not show all that was decided of: %', behind USING ERRCODE = 'BF005';
        END IF;
        PERFORM pg_sleep(0.02);
    END LOOP;
END $$;
COMMENT ON FUNCTION require_drained IS 'Lets nothing be decided until the transaction ends, and waits until the tables show all that was; raises BF005 when nobody brings them up to it.';
