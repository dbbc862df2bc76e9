-- 003_lease.sql: who may speak for a desk, when many brokers share the database.
--
-- The lease has a row of its own beside the desk's: a renewal must not wait for the commit that holds the desk's
-- row, or a slow commit would look like a dead broker.  Its epoch is the desk's; both are raised together.

CREATE TABLE lease (
    desk text NOT NULL PRIMARY KEY,
    epoch bigint NOT NULL DEFAULT 0,
    renewals bigint NOT NULL DEFAULT 0,
    held boolean NOT NULL DEFAULT false,
    owner text NOT NULL DEFAULT '',
    endpoints text NOT NULL DEFAULT ''
) WITH (fillfactor = 20);
COMMENT ON TABLE lease IS 'One row a desk: the lease under which a broker runs it, and where clients find that broker.';
COMMENT ON COLUMN lease.desk IS 'Name of the desk.';
COMMENT ON COLUMN lease.epoch IS 'Of the desk, as the broker took it over; only that broker renews.';
COMMENT ON COLUMN lease.renewals IS 'Counts up while the broker lives: challengers watch it stand still.';
COMMENT ON COLUMN lease.held IS 'False once the broker has handed the desk over, or was told to stop.';
COMMENT ON COLUMN lease.owner IS 'Host and process of the broker.';
COMMENT ON COLUMN lease.endpoints IS 'Where its clients connect, joined by commas.';
INSERT INTO lease (desk, epoch, owner) SELECT desk, epoch, owner FROM desk;
ALTER TABLE desk DROP COLUMN lease;

-- Takes a desk over if its lease is still as it was seen (any: seen_epoch -1), or raises BF003.
CREATE FUNCTION take_over(at_desk text, new_owner text, started timestamptz, new_endpoints text, seen_epoch bigint,
                          seen_renewals bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    new_epoch bigint;
BEGIN
    INSERT INTO behalf.lease (desk) VALUES (at_desk) ON CONFLICT DO NOTHING;
    UPDATE behalf.lease AS l SET renewals = l.renewals + 1, held = true, owner = new_owner, endpoints = new_endpoints
    WHERE l.desk = at_desk AND (seen_epoch < 0 OR (l.epoch = seen_epoch AND l.renewals = seen_renewals));
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the lease of the desk % has moved', at_desk USING ERRCODE = 'BF003';
    END IF;
    UPDATE behalf.desk AS d SET epoch = d.epoch + 1, owner = new_owner, backend = pg_backend_pid(),
           backend_started = started
    WHERE d.desk = at_desk RETURNING d.epoch INTO new_epoch;
    UPDATE behalf.lease AS l SET epoch = new_epoch WHERE l.desk = at_desk;
END $$;
COMMENT ON FUNCTION take_over IS 'Gives the desk to a broker under the next epoch, or raises BF003 when its lease is not as seen.';
