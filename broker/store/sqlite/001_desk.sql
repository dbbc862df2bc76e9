-- 001_desk.sql: the first schema of a desk's store.
--
-- Times are UTC milliseconds since 1970, 0 for "not"; flags are 0 or 1; a text that is not known is ''.  Every
-- primary key leads with the desk.  Read it with the sqlite3 shell while the broker runs (SELECT only, and no
-- transaction left open, as an open one keeps the log from shrinking); the views at the end are made for that.

-- One row a desk: how far it is, and who runs it.  Each commit of a broker moves `sequence` on, and fails
-- unless epoch and sequence are what that broker believes.
CREATE TABLE desk (
    desk TEXT NOT NULL PRIMARY KEY,
    epoch INTEGER NOT NULL,         -- raised by each broker that takes the desk over
    sequence INTEGER NOT NULL,      -- of the last change committed
    next_id INTEGER NOT NULL,       -- next id of an item or reply
    clock_ms INTEGER NOT NULL,      -- the last value of the broker's clock; it never goes back
    owner TEXT NOT NULL,            -- host and process of the broker that took the desk over last
    confirmed INTEGER NOT NULL      -- commits that only proved that commits work again
) STRICT, WITHOUT ROWID;

-- Every version of the rules of engagement that was applied; the highest is in force.
CREATE TABLE rules (
    desk TEXT NOT NULL,
    version INTEGER NOT NULL,
    name TEXT NOT NULL,             -- of the file it came from
    text TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (desk, version)
) STRICT;

-- The red button, by brand.
CREATE TABLE freeze (
    desk TEXT NOT NULL,
    brand TEXT NOT NULL,
    frozen INTEGER NOT NULL,        -- 0: lifted
    person TEXT NOT NULL,           -- who pressed or lifted it
    reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (desk, brand)
) STRICT, WITHOUT ROWID;

-- Which posts have been taken.  By day of the platform (posted_ms / 86400000; 0 where the platform does not
-- say), so that inserts stay local and old days can be dropped; within a day by the platform's ids, most of
-- which ascend.  The primary key is what takes a post at most once.
CREATE TABLE intake_key (
    desk TEXT NOT NULL,
    day INTEGER NOT NULL,
    channel TEXT NOT NULL,
    post TEXT NOT NULL,
    intake_key INTEGER NOT NULL,    -- 64-bit hash of channel and post, for the broker's memory
    item INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (desk, day, channel, post)
) STRICT, WITHOUT ROWID;

-- What customers wrote.  Texts are never edited here; that the author edited or deleted it is kept beside.
CREATE TABLE post (
    desk TEXT NOT NULL,
    item INTEGER NOT NULL,
    number INTEGER NOT NULL,        -- within the item, from 1
    channel TEXT NOT NULL,
    post TEXT NOT NULL,             -- the platform's id
    brand TEXT NOT NULL,
    author TEXT NOT NULL,
    author_name TEXT NOT NULL,
    reach INTEGER NOT NULL,         -- followers of the author
    text TEXT NOT NULL,             -- as first taken
    platform_language TEXT NOT NULL,
    language TEXT NOT NULL,         -- as found
    thread TEXT NOT NULL,
    parent TEXT NOT NULL,
    link TEXT NOT NULL,
    posted_ms INTEGER NOT NULL,     -- as the platform says
    taken_ms INTEGER NOT NULL,      -- when it was taken in
    sensitive INTEGER NOT NULL,     -- a rule or a person sealed it: agents never see it
    sealed INTEGER NOT NULL,        -- went to PR with its item: agents never see it
    author_key INTEGER NOT NULL,    -- 64-bit hash of channel and author
    edited_text TEXT,               -- the latest text; NULL: never edited
    deleted INTEGER NOT NULL DEFAULT 0,
    changed_ms INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (desk, item, number)
) STRICT;
CREATE INDEX post_author ON post (desk, author_key, brand, item, number);

-- Items as they are now; those that ended stay, with state closed.
CREATE TABLE item (
    desk TEXT NOT NULL,
    item INTEGER NOT NULL,
    brand TEXT NOT NULL,
    channel TEXT NOT NULL,
    audience TEXT NOT NULL,         -- agent, pr, approver, supervisor
    language TEXT NOT NULL,
    skills TEXT NOT NULL,           -- sorted, joined by commas
    state TEXT NOT NULL,            -- waiting, offered, held, parked, sending, closed
    band INTEGER NOT NULL,
    sealed INTEGER NOT NULL,        -- has been PR's for a sensitive reason
    returned INTEGER NOT NULL,      -- waits at the head of its queue
    approval INTEGER NOT NULL,      -- an agent's answer goes to an approver
    fate_unknown INTEGER NOT NULL,  -- a reply of it may or may not have been published
    created_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,        -- end of the service level or reply window
    since_ms INTEGER NOT NULL,      -- in this state since
    until_ms INTEGER NOT NULL,      -- offered: take it before; parked: due
    lease INTEGER NOT NULL,         -- counts offers
    person TEXT NOT NULL,           -- offered to, held by, or whose reply is sending
    preferred TEXT NOT NULL,        -- who shall have it first
    preferred_until_ms INTEGER NOT NULL,
    thread_key INTEGER NOT NULL,    -- 64-bit hash of channel, thread and author
    author_key INTEGER NOT NULL,
    posts INTEGER NOT NULL,         -- not deleted by their author
    numbered INTEGER NOT NULL,      -- posts ever taken into it
    moves INTEGER NOT NULL,         -- times put back into a queue
    first_offered_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,           -- why it is in its queue
    escalated TEXT NOT NULL,        -- why it was first escalated
    reply INTEGER NOT NULL,         -- the last reply made
    draft_by TEXT NOT NULL,
    request_person TEXT NOT NULL,   -- the request that last moved it, for repeats
    request_id INTEGER NOT NULL,
    request_state TEXT NOT NULL,
    request_lease INTEGER NOT NULL,
    request_reply INTEGER NOT NULL,
    outcome TEXT NOT NULL,          -- when closed
    PRIMARY KEY (desk, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX item_open ON item (desk, item) WHERE state <> 'closed';

-- The draft of an item, at most one.
CREATE TABLE draft (
    desk TEXT NOT NULL,
    item INTEGER NOT NULL,
    person TEXT NOT NULL,
    text TEXT NOT NULL,
    sealed INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (desk, item)
) STRICT;

-- What people noted for each other; kind guidance is what PR tells the agents when it returns an item.
CREATE TABLE note (
    desk TEXT NOT NULL,
    item INTEGER NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    person TEXT NOT NULL,
    text TEXT NOT NULL,
    sealed INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (desk, item, number)
) STRICT, WITHOUT ROWID;

-- The outbox, and what became of each reply.
CREATE TABLE reply (
    desk TEXT NOT NULL,
    reply INTEGER NOT NULL,
    item INTEGER NOT NULL,
    brand TEXT NOT NULL,
    channel TEXT NOT NULL,
    person TEXT NOT NULL,           -- who answered
    text TEXT NOT NULL,             -- as published, disclosure included
    key TEXT NOT NULL,              -- idempotency key
    state TEXT NOT NULL,            -- queued, handed, confirmed, failed, unknown, withdrawn
    sealed INTEGER NOT NULL,
    instance TEXT NOT NULL,         -- the connector instance that has it
    idempotent INTEGER NOT NULL,    -- that instance publishes a reply handed to it twice only once
    attempt INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    handed_ms INTEGER NOT NULL,
    settled_ms INTEGER NOT NULL,
    reference TEXT NOT NULL,        -- the platform's id of what was published
    reason TEXT NOT NULL,
    PRIMARY KEY (desk, reply)
) STRICT;
CREATE INDEX reply_item ON reply (desk, item, reply);
CREATE INDEX reply_open ON reply (desk, reply) WHERE state IN ('queued', 'handed', 'unknown');

-- What became true, when, through whom and why; only ever appended to.
CREATE TABLE event (
    desk TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    item INTEGER NOT NULL,          -- 0: of the desk
    kind TEXT NOT NULL,
    person TEXT NOT NULL,
    queue TEXT NOT NULL,            -- audience/brand/language/skills
    rule TEXT NOT NULL,
    rules_version INTEGER NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (desk, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_item ON event (desk, item, sequence);

-- One row an item that ended, numbered in the order of their end.
CREATE TABLE outcome (
    desk TEXT NOT NULL,
    ended INTEGER NOT NULL,
    item INTEGER NOT NULL,
    outcome TEXT NOT NULL,          -- answered, no-answer-needed, noise, duplicate, handed-off, withdrawn, expired
    brand TEXT NOT NULL,
    language TEXT NOT NULL,
    audience TEXT NOT NULL,
    person TEXT NOT NULL,
    agency TEXT NOT NULL,
    reason TEXT NOT NULL,
    escalated TEXT NOT NULL,
    reply INTEGER NOT NULL,         -- the reply published
    created_ms INTEGER NOT NULL,
    closed_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    first_offered_ms INTEGER NOT NULL,
    posts INTEGER NOT NULL,
    moves INTEGER NOT NULL,
    sealed INTEGER NOT NULL,
    thread_key INTEGER NOT NULL,
    author_key INTEGER NOT NULL,
    PRIMARY KEY (desk, ended),
    UNIQUE (desk, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX outcome_closed ON outcome (desk, closed_ms, ended);

-- How items ended, with what was written and what was answered.
CREATE VIEW report_outcome AS
SELECT outcome.desk, outcome.ended, outcome.item, outcome.outcome, outcome.brand, post.channel, post.post, post.author,
       outcome.language, outcome.audience, outcome.person, outcome.agency, outcome.reason, outcome.escalated,
       post.text AS post_text, reply.text AS reply_text, reply.reference,
       datetime(outcome.created_ms / 1000, 'unixepoch') AS created_utc,
       datetime(outcome.closed_ms / 1000, 'unixepoch') AS closed_utc,
       (outcome.closed_ms - outcome.created_ms) / 1000.0 AS seconds,
       CASE WHEN outcome.first_offered_ms > 0 THEN (outcome.first_offered_ms - outcome.created_ms) / 1000.0 END
           AS seconds_to_offer,
       outcome.due_ms > 0 AND outcome.closed_ms > outcome.due_ms AS late, outcome.posts, outcome.moves, outcome.sealed
FROM outcome
LEFT JOIN post ON post.desk = outcome.desk AND post.item = outcome.item AND post.number = 1
LEFT JOIN reply ON reply.desk = outcome.desk AND reply.reply = outcome.reply AND outcome.reply > 0;

-- Items that are open, the longest waiting first.
CREATE VIEW report_open AS
SELECT desk, item, audience, brand, language, skills, state, person, reason, escalated, posts, moves, sealed,
       datetime(created_ms / 1000, 'unixepoch') AS created_utc, datetime(since_ms / 1000, 'unixepoch') AS since_utc,
       CASE WHEN due_ms > 0 THEN datetime(due_ms / 1000, 'unixepoch') END AS due_utc
FROM item WHERE state <> 'closed' ORDER BY desk, created_ms;

-- Outcomes counted by day, brand and kind.
CREATE VIEW report_day AS
SELECT desk, date(closed_ms / 1000, 'unixepoch') AS day_utc, brand, outcome, count(*) AS items,
       round(avg((closed_ms - created_ms) / 1000.0), 1) AS seconds_average,
       sum(due_ms > 0 AND closed_ms > due_ms) AS late, sum(escalated <> '') AS escalated
FROM outcome GROUP BY desk, day_utc, brand, outcome;

-- Outcomes counted by person.
CREATE VIEW report_person AS
SELECT desk, person, agency, outcome, count(*) AS items,
       round(avg((closed_ms - created_ms) / 1000.0), 1) AS seconds_average
FROM outcome WHERE person <> '' GROUP BY desk, person, agency, outcome;
