-- 007_request.sql: every request that took effect, for repeats; until now an item knew the last one that moved it.

CREATE TABLE request (
    desk text NOT NULL,
    slot bigint NOT NULL,
    number bigint NOT NULL,
    at_ms bigint NOT NULL,
    role text NOT NULL,
    principal text NOT NULL,
    id bigint NOT NULL,
    type text NOT NULL,
    digest bigint NOT NULL,
    item bigint NOT NULL,
    lease bigint NOT NULL,
    state text NOT NULL,
    reply bigint NOT NULL,
    rules_version bigint NOT NULL,
    PRIMARY KEY (desk, slot)
) WITH (fillfactor = 50);
COMMENT ON TABLE request IS 'Requests that took effect, for repeats: a ring of 262144 slots a desk, of which a day is remembered.';
COMMENT ON COLUMN request.desk IS 'Name of the desk.';
COMMENT ON COLUMN request.slot IS 'number % 262144: what was there before is overwritten.';
COMMENT ON COLUMN request.number IS 'Counts the desk''s requests that took effect, from 0.';
COMMENT ON COLUMN request.at_ms IS 'When.';
COMMENT ON COLUMN request.role IS 'Of who asked: person, connector, control.';
COMMENT ON COLUMN request.principal IS 'Who asked.';
COMMENT ON COLUMN request.id IS 'Of the principal''s making: a repeat has the same.';
COMMENT ON COLUMN request.type IS 'What was asked: TAKE, ANSWER, ...; '''': not known.';
COMMENT ON COLUMN request.digest IS '64-bit hash of what was asked; 0: not known.';
COMMENT ON COLUMN request.item IS 'The answer: the item; 0: none.';
COMMENT ON COLUMN request.lease IS 'The answer: the lease.';
COMMENT ON COLUMN request.state IS 'The answer: the state it led to.';
COMMENT ON COLUMN request.reply IS 'The answer: the reply made or settled; 0: none.';
COMMENT ON COLUMN request.rules_version IS 'The answer to APPLY: the version of the rules; else 0.';

CREATE TYPE request_row AS (
    slot bigint, number bigint, at_ms bigint, role text, principal text, id bigint, type text, digest bigint,
    item bigint, lease bigint, state text, reply bigint, rules_version bigint
);
COMMENT ON TYPE request_row IS 'A row of request as the broker writes it.';

-- What items knew is not forgotten.
INSERT INTO request
SELECT desk, 262144 - back, 262144 - back, clock_ms, 'person', request_person, request_id, '', 0, item, request_lease,
       request_state, request_reply, 0
FROM (SELECT i.desk, i.item, i.request_person, i.request_id, i.request_lease, i.request_state, i.request_reply,
             d.clock_ms, row_number() OVER (PARTITION BY i.desk ORDER BY i.since_ms DESC) AS back
      FROM item AS i JOIN desk AS d ON d.desk = i.desk
      WHERE i.request_id > 0 AND i.request_person <> '' AND i.since_ms >= d.clock_ms - 86400000) AS known
WHERE back <= 262144;

ALTER TABLE item
    DROP COLUMN request_person,
    DROP COLUMN request_id,
    DROP COLUMN request_state,
    DROP COLUMN request_lease,
    DROP COLUMN request_reply;
ALTER TYPE item_row
    DROP ATTRIBUTE request_person,
    DROP ATTRIBUTE request_id,
    DROP ATTRIBUTE request_state,
    DROP ATTRIBUTE request_lease,
    DROP ATTRIBUTE request_reply;
