-- 005_candidate.sql: which brokers serve a desk, so that they share desks out among themselves.
--
-- Every broker has a row for each desk it serves, the one that has the desk and those that wait to take over.  Nobody
-- decides for all: each looks at these rows, and a desk changes hands by its lease alone.

CREATE TABLE candidate (
    desk text NOT NULL,
    broker text NOT NULL,
    endpoints text NOT NULL DEFAULT '',
    beats bigint NOT NULL DEFAULT 0,
    desks bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (desk, broker)
) WITH (fillfactor = 20);
COMMENT ON TABLE candidate IS 'One row a desk and broker that serves it: who could have the desk.';
COMMENT ON COLUMN candidate.desk IS 'Name of the desk.';
COMMENT ON COLUMN candidate.broker IS 'Host and process of the broker.';
COMMENT ON COLUMN candidate.endpoints IS 'Where its clients connect, joined by commas.';
COMMENT ON COLUMN candidate.beats IS 'Counts up while the broker lives: others watch it stand still.';
COMMENT ON COLUMN candidate.desks IS 'How many desks the broker has.';

ALTER TABLE lease ADD COLUMN heir text NOT NULL DEFAULT '';
COMMENT ON COLUMN lease.heir IS 'Not held: the broker that it was handed to, which the others leave it to for a moment.';

-- Takes a desk over if its lease is still as it was seen (any: seen_epoch -1), or raises BF003.
CREATE OR REPLACE FUNCTION take_over(at_desk text, new_owner text, started timestamptz, new_endpoints text,
                                     seen_epoch bigint, seen_renewals bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    new_epoch bigint;
BEGIN
    INSERT INTO behalf.lease (desk) VALUES (at_desk) ON CONFLICT DO NOTHING;
    UPDATE behalf.lease AS l SET renewals = l.renewals + 1, held = true, owner = new_owner, endpoints = new_endpoints,
           heir = ''
    WHERE l.desk = at_desk AND (seen_epoch < 0 OR (l.epoch = seen_epoch AND l.renewals = seen_renewals));
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the lease of the desk % has moved', at_desk USING ERRCODE = 'BF003';
    END IF;
    UPDATE behalf.desk AS d SET epoch = d.epoch + 1, owner = new_owner, backend = pg_backend_pid(),
           backend_started = started
    WHERE d.desk = at_desk RETURNING d.epoch INTO new_epoch;
    UPDATE behalf.lease AS l SET epoch = new_epoch WHERE l.desk = at_desk;
END $$;
