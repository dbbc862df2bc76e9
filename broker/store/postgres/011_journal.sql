-- 011_journal.sql: what a broker has decided is appended to a journal; an applier brings the tables up to it.
--
-- A commit writes the desk's row and rows of the journal, and nothing else.  The applier moves the desk's row in
-- `applied`, writes the tables and deletes exactly the rows of the journal that it has applied, in one transaction.
-- It does not wait for the disk: what a crash takes back of it is still in the journal.  So the tables are a
-- consistent state of the desk at any time, at most a moment old, and a backup of the database has both.
--
-- Older brokers can neither take nor write a desk from here on: the functions they call are gone, and a commit that
-- was on its way meets a desk of the next epoch.

LOCK TABLE desk, lease IN SHARE ROW EXCLUSIVE MODE;

CREATE TABLE journal (
    desk text NOT NULL,
    from_sequence bigint NOT NULL,
    to_sequence bigint NOT NULL,
    part bigint NOT NULL,
    parts bigint NOT NULL,
    epoch bigint NOT NULL,
    next_id bigint NOT NULL,
    clock_ms bigint NOT NULL,
    codec bigint NOT NULL,
    changes bytea NOT NULL,
    PRIMARY KEY (desk, to_sequence, part)
) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
        autovacuum_vacuum_cost_delay = 0);
-- Rows are made small enough to stay whole; what is large all the same is not worth compressing for a moment.
ALTER TABLE journal ALTER COLUMN changes SET STORAGE EXTERNAL;
COMMENT ON TABLE journal IS 'What is decided and safe on disk, and not yet to be seen in the tables: usually the last moment.';
COMMENT ON COLUMN journal.desk IS 'Name of the desk.';
COMMENT ON COLUMN journal.from_sequence IS 'The desk''s sequence before: the to_sequence of the group before it.';
COMMENT ON COLUMN journal.to_sequence IS 'The desk''s sequence after.';
COMMENT ON COLUMN journal.part IS 'Of the group that goes from one to the other, from 1.';
COMMENT ON COLUMN journal.parts IS 'How many rows that group has.';
COMMENT ON COLUMN journal.epoch IS 'Of the desk, when the broker wrote it.';
COMMENT ON COLUMN journal.next_id IS 'The desk''s next id of an item or reply after it.';
COMMENT ON COLUMN journal.clock_ms IS 'The broker''s clock then.';
COMMENT ON COLUMN journal.codec IS 'How the changes are written; every broker knows those older than its own.';
COMMENT ON COLUMN journal.changes IS 'The changes, one behind the other.';

CREATE TABLE applied (
    desk text NOT NULL PRIMARY KEY,
    sequence bigint NOT NULL,
    backend integer NOT NULL DEFAULT 0,
    backend_started timestamptz
) WITH (fillfactor = 20);
COMMENT ON TABLE applied IS 'One row a desk: up to where its tables show what was decided.';
COMMENT ON COLUMN applied.desk IS 'Name of the desk.';
COMMENT ON COLUMN applied.sequence IS 'Of the last change that the tables show; the rest is in the journal.';
COMMENT ON COLUMN applied.backend IS 'Process of the server that serves the applier, to be ended by who takes the desk over.';
COMMENT ON COLUMN applied.backend_started IS 'When that process started, as its number may be used again.';
INSERT INTO applied (desk, sequence) SELECT desk, sequence FROM desk;

CREATE TABLE journal_aside (
    desk text NOT NULL,
    from_sequence bigint NOT NULL,
    to_sequence bigint NOT NULL,
    part bigint NOT NULL,
    parts bigint NOT NULL,
    epoch bigint NOT NULL,
    next_id bigint NOT NULL,
    clock_ms bigint NOT NULL,
    codec bigint NOT NULL,
    changes bytea NOT NULL,
    reason text NOT NULL,
    aside_ms bigint NOT NULL,
    PRIMARY KEY (desk, to_sequence, part)
);
COMMENT ON TABLE journal_aside IS 'Groups of the journal that the tables refused and an operator has set aside: what they changed is not in the tables.';
COMMENT ON COLUMN journal_aside.desk IS 'Name of the desk.';
COMMENT ON COLUMN journal_aside.from_sequence IS 'As in journal.';
COMMENT ON COLUMN journal_aside.to_sequence IS 'As in journal.';
COMMENT ON COLUMN journal_aside.part IS 'As in journal.';
COMMENT ON COLUMN journal_aside.parts IS 'As in journal.';
COMMENT ON COLUMN journal_aside.epoch IS 'As in journal.';
COMMENT ON COLUMN journal_aside.next_id IS 'As in journal.';
COMMENT ON COLUMN journal_aside.clock_ms IS 'As in journal.';
COMMENT ON COLUMN journal_aside.codec IS 'As in journal.';
COMMENT ON COLUMN journal_aside.changes IS 'As in journal.';
COMMENT ON COLUMN journal_aside.reason IS 'Why the tables refused it.';
COMMENT ON COLUMN journal_aside.aside_ms IS 'When it was set aside.';

ALTER TABLE lease RENAME COLUMN heir TO successor;
COMMENT ON COLUMN lease.successor IS 'Not held: the broker that it was handed to, which the others leave it to for a moment.';

-- A desk that is held for a move stands still at its epoch, and no broker has it.
UPDATE desk SET epoch = epoch + 1 WHERE held = '';
UPDATE lease AS l SET epoch = d.epoch FROM desk AS d WHERE d.desk = l.desk AND d.held = '';

DROP FUNCTION take_over;
DROP FUNCTION advance;

-- Takes a desk over if its lease is still as it was seen (any: seen_epoch -1), or raises BF003.
CREATE FUNCTION own_desk(at_desk text, new_owner text, started timestamptz, new_endpoints text, seen_epoch bigint,
                         seen_renewals bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    new_epoch bigint;
BEGIN
    INSERT INTO behalf.lease (desk) VALUES (at_desk) ON CONFLICT DO NOTHING;
    UPDATE behalf.lease AS l SET renewals = l.renewals + 1, held = true, owner = new_owner, endpoints = new_endpoints,
           successor = ''
    WHERE l.desk = at_desk AND (seen_epoch < 0 OR (l.epoch = seen_epoch AND l.renewals = seen_renewals));
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the lease of the desk % has moved', at_desk USING ERRCODE = 'BF003';
    END IF;
    UPDATE behalf.desk AS d SET epoch = d.epoch + 1, owner = new_owner, backend = pg_backend_pid(),
           backend_started = started
    WHERE d.desk = at_desk RETURNING d.epoch INTO new_epoch;
    UPDATE behalf.lease AS l SET epoch = new_epoch WHERE l.desk = at_desk;
END $$;
COMMENT ON FUNCTION own_desk IS 'Gives the desk to a broker under the next epoch, or raises BF003 when its lease is not as seen.';

-- Moves a desk on, in the transaction that appends to its journal, or raises BF001.  Returns where its tables are: that
-- far they are on the disk, once this transaction is.
CREATE FUNCTION advance_desk(at_desk text, at_epoch bigint, at_sequence bigint, new_sequence bigint, new_next_id bigint,
                             new_clock_ms bigint, started timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    UPDATE behalf.desk AS d SET sequence = new_sequence, next_id = greatest(d.next_id, new_next_id),
           clock_ms = greatest(d.clock_ms, new_clock_ms), backend = pg_backend_pid(), backend_started = started
    WHERE d.desk = at_desk AND d.epoch = at_epoch AND d.sequence = at_sequence;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the desk % is not at epoch %, sequence %', at_desk, at_epoch, at_sequence
            USING ERRCODE = 'BF001';
    END IF;
    RETURN (SELECT a.sequence FROM behalf.applied AS a WHERE a.desk = at_desk);
END $$;
COMMENT ON FUNCTION advance_desk IS 'Moves a desk on, or raises BF001 when it is not where the broker believes.';

-- Moves a desk's tables on, in the transaction that writes them, or raises BF004.
CREATE FUNCTION advance_tables(at_desk text, at_sequence bigint, new_sequence bigint) RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    UPDATE behalf.applied AS a SET sequence = new_sequence WHERE a.desk = at_desk AND a.sequence = at_sequence;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the tables of the desk % are not at sequence %', at_desk, at_sequence USING ERRCODE = 'BF004';
    END IF;
END $$;
COMMENT ON FUNCTION advance_tables IS 'Moves a desk''s tables on, or raises BF004 when they are not where the applier found them.';

-- Takes a group out of the journal that the tables refuse, and moves them behind it.  Raises BF004 or BF002.
CREATE FUNCTION set_aside(at_desk text, at_from bigint, at_to bigint, at_epoch bigint, why text) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    wanted bigint;
    gone bigint;
BEGIN
    PERFORM behalf.advance_tables(at_desk, at_from, at_to);
    WITH taken AS (
        DELETE FROM behalf.journal AS j WHERE j.desk = at_desk AND j.to_sequence = at_to
               AND j.from_sequence = at_from AND j.epoch = at_epoch RETURNING j.*
    ), kept AS (
        INSERT INTO behalf.journal_aside SELECT t.*, why, (extract(epoch FROM clock_timestamp()) * 1000)::bigint
        FROM taken AS t RETURNING parts
    ) SELECT count(*), max(parts) INTO gone, wanted FROM kept;
    PERFORM behalf.expect(gone, coalesce(wanted, 1), 'the journal has not the group that was to be set aside');
END $$;
COMMENT ON FUNCTION set_aside IS 'Puts a group of the journal into journal_aside, for behalf-broker --accept-loss.';

CREATE VIEW tables_at AS
SELECT d.desk, d.sequence AS decided, a.sequence AS shown,
       (SELECT count(*) FROM journal AS j WHERE j.desk = d.desk) AS journal_rows,
       to_timestamp(d.clock_ms / 1000.0) AS decided_at
FROM desk AS d JOIN applied AS a ON a.desk = d.desk;
COMMENT ON VIEW tables_at IS 'One row a desk: how far the tables, and every view made of them, are behind what was decided.';
COMMENT ON COLUMN tables_at.desk IS 'Name of the desk.';
COMMENT ON COLUMN tables_at.decided IS 'Sequence of the last change that is safe on disk.';
COMMENT ON COLUMN tables_at.shown IS 'Sequence of the last change that the tables show.';
COMMENT ON COLUMN tables_at.journal_rows IS 'Rows of the journal in between.';
COMMENT ON COLUMN tables_at.decided_at IS 'The broker''s clock at the last change.';
