-- 004_request.sql: every request that took effect, for repeats; until now an item knew the last one that moved it.

-- A ring of 262144 slots a desk: what took effect longer ago than a day, or before so many others, is forgotten.
CREATE TABLE request (
    desk TEXT NOT NULL,
    slot INTEGER NOT NULL,          -- number % 262144
    number INTEGER NOT NULL,        -- counts the desk's requests that took effect, from 0
    at_ms INTEGER NOT NULL,
    role TEXT NOT NULL,             -- person, connector, control
    principal TEXT NOT NULL,
    id INTEGER NOT NULL,            -- of the principal's making: a repeat has the same
    type TEXT NOT NULL,             -- TAKE, ANSWER, ...
    digest INTEGER NOT NULL,        -- 64-bit hash of what was asked; 0: not known
    item INTEGER NOT NULL,          -- the answer, from here on
    lease INTEGER NOT NULL,
    state TEXT NOT NULL,
    reply INTEGER NOT NULL,
    rules_version INTEGER NOT NULL, -- of APPLY
    PRIMARY KEY (desk, slot)
) STRICT, WITHOUT ROWID;

-- What items knew is not forgotten.
INSERT INTO request
SELECT desk, 262144 - back, 262144 - back, clock_ms, 'person', request_person, request_id, '', 0, item, request_lease,
       request_state, request_reply, 0
FROM (SELECT item.*, desk.clock_ms, row_number() OVER (PARTITION BY item.desk ORDER BY item.since_ms DESC) AS back
      FROM item JOIN desk ON desk.desk = item.desk
      WHERE item.request_id > 0 AND item.request_person <> '' AND item.since_ms >= desk.clock_ms - 86400000)
WHERE back <= 262144;

ALTER TABLE item DROP COLUMN request_person;
ALTER TABLE item DROP COLUMN request_id;
ALTER TABLE item DROP COLUMN request_state;
ALTER TABLE item DROP COLUMN request_lease;
ALTER TABLE item DROP COLUMN request_reply;
