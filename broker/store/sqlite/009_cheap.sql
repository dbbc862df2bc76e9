-- 009_cheap.sql: the same rows in fewer and smaller trees, as each tree that a commit touches is a page written.
--
-- A file has one desk, so that rows are found by numbers alone: their tables do not repeat its name.  What is open lies
-- apart from what has ended, where an item and its outcome are one row.  Who reads finds everything under the names and
-- with the columns that it has always had: item, post, event and so on are views now, which the program makes of its
-- table of columns (views.c).

DROP VIEW report_outcome;
DROP VIEW report_open;
DROP VIEW report_day;
DROP VIEW report_person;

CREATE TABLE intake_key_row (
    channel TEXT NOT NULL,
    post TEXT NOT NULL,
    brand TEXT NOT NULL,
    item INTEGER NOT NULL,
    number INTEGER NOT NULL,
    taken_ms INTEGER NOT NULL,
    PRIMARY KEY (channel, post, brand)
) STRICT, WITHOUT ROWID;
INSERT INTO intake_key_row SELECT channel, post, brand, item, number, taken_ms FROM intake_key
ORDER BY desk, channel, post, brand;
DROP TABLE intake_key;
CREATE INDEX intake_key_taken ON intake_key_row (taken_ms);

CREATE TABLE post_row (
    item INTEGER NOT NULL,
    number INTEGER NOT NULL,
    channel TEXT NOT NULL,
    post TEXT NOT NULL,
    brand TEXT NOT NULL,
    author TEXT NOT NULL,
    author_name TEXT NOT NULL,
    reach INTEGER NOT NULL,
    text TEXT NOT NULL,
    platform_language TEXT NOT NULL,
    language TEXT NOT NULL,
    thread TEXT NOT NULL,
    parent TEXT NOT NULL,
    link TEXT NOT NULL,
    posted_ms INTEGER NOT NULL,
    taken_ms INTEGER NOT NULL,
    sensitive INTEGER NOT NULL,
    sealed INTEGER NOT NULL,
    author_key INTEGER NOT NULL,
    edited_text TEXT,
    deleted INTEGER NOT NULL DEFAULT 0,
    changed_ms INTEGER NOT NULL DEFAULT 0,
    edited_ms INTEGER NOT NULL DEFAULT 0,
    media INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (item, number)
) STRICT;
INSERT INTO post_row SELECT item, number, channel, post, brand, author, author_name, reach, text, platform_language,
    language, thread, parent, link, posted_ms, taken_ms, sensitive, sealed, author_key, edited_text, deleted, changed_ms,
    edited_ms, media FROM post ORDER BY desk, item, number;
DROP TABLE post;
CREATE INDEX post_author ON post_row (author_key, brand, item, number);

CREATE TABLE open_item (
    item INTEGER PRIMARY KEY,
    brand TEXT NOT NULL,
    channel TEXT NOT NULL,
    audience TEXT NOT NULL,
    language TEXT NOT NULL,
    skills TEXT NOT NULL,
    state TEXT NOT NULL,
    band INTEGER NOT NULL,
    sealed INTEGER NOT NULL,
    returned INTEGER NOT NULL,
    approval INTEGER NOT NULL,
    fate_unknown INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    person TEXT NOT NULL,
    preferred TEXT NOT NULL,
    preferred_until_ms INTEGER NOT NULL,
    thread_key INTEGER NOT NULL,
    author_key INTEGER NOT NULL,
    posts INTEGER NOT NULL,
    numbered INTEGER NOT NULL,
    moves INTEGER NOT NULL,
    first_offered_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    escalated TEXT NOT NULL,
    reply INTEGER NOT NULL,
    draft_by TEXT NOT NULL,
    outcome TEXT NOT NULL
) STRICT;

-- An item that has ended, as it was last, and behind that its outcome.
CREATE TABLE ended_item (
    item INTEGER PRIMARY KEY,
    brand TEXT NOT NULL,
    channel TEXT NOT NULL,
    audience TEXT NOT NULL,
    language TEXT NOT NULL,
    skills TEXT NOT NULL,
    state TEXT NOT NULL,
    band INTEGER NOT NULL,
    sealed INTEGER NOT NULL,
    returned INTEGER NOT NULL,
    approval INTEGER NOT NULL,
    fate_unknown INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    person TEXT NOT NULL,
    preferred TEXT NOT NULL,
    preferred_until_ms INTEGER NOT NULL,
    thread_key INTEGER NOT NULL,
    author_key INTEGER NOT NULL,
    posts INTEGER NOT NULL,
    numbered INTEGER NOT NULL,
    moves INTEGER NOT NULL,
    first_offered_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    escalated TEXT NOT NULL,
    reply INTEGER NOT NULL,
    draft_by TEXT NOT NULL,
    outcome TEXT NOT NULL,
    ended INTEGER,                  -- counts the ends in their order; NULL, and all behind it, while only the item is there
    outcome_outcome TEXT,
    outcome_brand TEXT,
    outcome_language TEXT,
    outcome_audience TEXT,
    outcome_person TEXT,
    outcome_agency TEXT,
    outcome_reason TEXT,
    outcome_escalated TEXT,
    outcome_reply INTEGER,
    outcome_created_ms INTEGER,
    outcome_closed_ms INTEGER,
    outcome_due_ms INTEGER,
    outcome_first_offered_ms INTEGER,
    outcome_posts INTEGER,
    outcome_moves INTEGER,
    outcome_sealed INTEGER,
    outcome_thread_key INTEGER,
    outcome_author_key INTEGER
) STRICT;

INSERT INTO open_item SELECT
    item, brand, channel, audience, language, skills, state, band, sealed, returned, approval, fate_unknown,
    created_ms, due_ms, since_ms, until_ms, lease, person, preferred, preferred_until_ms, thread_key, author_key,
    posts, numbered, moves, first_offered_ms, reason, escalated, reply, draft_by, outcome
FROM item WHERE state <> 'closed' ORDER BY desk, item;
INSERT INTO ended_item SELECT
    i.item, i.brand, i.channel, i.audience, i.language, i.skills, i.state, i.band, i.sealed, i.returned, i.approval,
    i.fate_unknown, i.created_ms, i.due_ms, i.since_ms, i.until_ms, i.lease, i.person, i.preferred,
    i.preferred_until_ms, i.thread_key, i.author_key, i.posts, i.numbered, i.moves, i.first_offered_ms, i.reason,
    i.escalated, i.reply, i.draft_by, i.outcome, o.ended, o.outcome, o.brand, o.language, o.audience, o.person,
    o.agency, o.reason, o.escalated, o.reply, o.created_ms, o.closed_ms, o.due_ms, o.first_offered_ms, o.posts,
    o.moves, o.sealed, o.thread_key, o.author_key
FROM item AS i LEFT JOIN outcome AS o ON o.desk = i.desk AND o.item = i.item WHERE i.state = 'closed'
ORDER BY i.desk, i.item;
-- No broker writes an outcome without its item; should one be there, it stays.
INSERT INTO ended_item SELECT
    o.item, '', '', '', '', '', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', '', 0, 0, 0, 0, 0, 0, 0, '', '', 0, '', '',
    o.ended, o.outcome, o.brand, o.language, o.audience, o.person, o.agency, o.reason, o.escalated, o.reply,
    o.created_ms, o.closed_ms, o.due_ms, o.first_offered_ms, o.posts, o.moves, o.sealed, o.thread_key, o.author_key
FROM outcome AS o WHERE NOT EXISTS (SELECT 1 FROM ended_item AS e WHERE e.item = o.item) ORDER BY o.item;
DROP TABLE item;
DROP TABLE outcome;
CREATE UNIQUE INDEX ended_item_ended ON ended_item (ended);

CREATE TABLE draft_row (
    item INTEGER PRIMARY KEY,
    person TEXT NOT NULL,
    text TEXT NOT NULL,
    sealed INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
INSERT INTO draft_row SELECT item, person, text, sealed, at_ms
FROM draft ORDER BY desk, item;
DROP TABLE draft;

CREATE TABLE note_row (
    item INTEGER NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    person TEXT NOT NULL,
    text TEXT NOT NULL,
    sealed INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (item, number)
) STRICT, WITHOUT ROWID;
INSERT INTO note_row SELECT item, number, kind, person, text, sealed, at_ms
FROM note ORDER BY desk, item, number;
DROP TABLE note;

CREATE TABLE reply_row (
    reply INTEGER PRIMARY KEY,
    item INTEGER NOT NULL,
    brand TEXT NOT NULL,
    channel TEXT NOT NULL,
    person TEXT NOT NULL,
    text TEXT NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL,
    sealed INTEGER NOT NULL,
    instance TEXT NOT NULL,
    idempotent INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    handed_ms INTEGER NOT NULL,
    settled_ms INTEGER NOT NULL,
    reference TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
INSERT INTO reply_row SELECT reply, item, brand, channel, person, text, key, state, sealed, instance, idempotent, attempt, created_ms, handed_ms, settled_ms, reference, reason
FROM reply ORDER BY desk, reply;
DROP TABLE reply;
CREATE INDEX reply_item ON reply_row (item);
CREATE INDEX reply_open ON reply_row (reply) WHERE state IN ('queued', 'handed', 'unknown');

CREATE TABLE event_row (
    sequence INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    item INTEGER NOT NULL,
    kind TEXT NOT NULL,
    person TEXT NOT NULL,
    queue TEXT NOT NULL,
    rule TEXT NOT NULL,
    rules_version INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT;
INSERT INTO event_row SELECT sequence, at_ms, item, kind, person, queue, rule, rules_version, detail
FROM event ORDER BY desk, sequence;
DROP TABLE event;
CREATE INDEX event_item ON event_row (item);

CREATE TABLE request_row (
    slot INTEGER PRIMARY KEY,
    number INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    role TEXT NOT NULL,
    principal TEXT NOT NULL,
    id INTEGER NOT NULL,
    type TEXT NOT NULL,
    digest INTEGER NOT NULL,
    item INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    state TEXT NOT NULL,
    reply INTEGER NOT NULL,
    rules_version INTEGER NOT NULL
) STRICT;
INSERT INTO request_row SELECT slot, number, at_ms, role, principal, id, type, digest, item, lease, state, reply, rules_version
FROM request ORDER BY desk, slot;
DROP TABLE request;

-- The reports, the same as over PostgreSQL.  Times are texts of UTC; the columns named _utc have the names of former
-- versions.

-- How items ended, with what was written and what was answered.
CREATE VIEW report_outcome AS
SELECT o.desk, o.ended, o.item, o.outcome, o.brand, p.channel, p.post, p.author, o.language, o.audience, o.person,
       o.agency, o.reason, o.escalated, p.text AS post_text, r.text AS reply_text, r.reference,
       datetime(o.created_ms / 1000, 'unixepoch') AS created, datetime(o.closed_ms / 1000, 'unixepoch') AS closed,
       (o.closed_ms - o.created_ms) / 1000.0 AS seconds, (o.closed_ms - o.created_ms) / 1000.0 AS service_seconds,
       CASE WHEN o.first_offered_ms > 0 THEN (o.first_offered_ms - o.created_ms) / 1000.0 END AS seconds_to_offer,
       o.due_ms > 0 AND o.closed_ms > o.due_ms AS late, o.posts, o.moves, o.sealed,
       datetime(o.created_ms / 1000, 'unixepoch') AS created_utc,
       datetime(o.closed_ms / 1000, 'unixepoch') AS closed_utc
FROM outcome AS o
LEFT JOIN post_row AS p ON p.item = o.item AND p.number = 1
LEFT JOIN reply_row AS r ON r.reply = o.reply AND o.reply > 0;

-- Items that are open, the longest waiting first.
CREATE VIEW report_open AS
SELECT (SELECT desk FROM desk) AS desk, item, audience, brand, language, skills, state, person, reason, escalated, posts,
       moves, sealed, datetime(created_ms / 1000, 'unixepoch') AS created,
       datetime(since_ms / 1000, 'unixepoch') AS since,
       CASE WHEN due_ms > 0 THEN datetime(due_ms / 1000, 'unixepoch') END AS due,
       datetime(created_ms / 1000, 'unixepoch') AS created_utc, datetime(since_ms / 1000, 'unixepoch') AS since_utc,
       CASE WHEN due_ms > 0 THEN datetime(due_ms / 1000, 'unixepoch') END AS due_utc
FROM open_item ORDER BY created_ms;

-- Items that ended within their service level, by hour (UTC), brand and audience.
CREATE VIEW report_service_level AS
SELECT desk, strftime('%Y-%m-%d %H:00:00', closed_ms / 1000, 'unixepoch') AS hour, brand, audience, count(*) AS items,
       count(*) FILTER (WHERE due_ms > 0) AS with_level,
       count(*) FILTER (WHERE due_ms > 0 AND closed_ms <= due_ms) AS in_time,
       round(100.0 * count(*) FILTER (WHERE due_ms > 0 AND closed_ms <= due_ms)
             / nullif(count(*) FILTER (WHERE due_ms > 0), 0), 1) AS in_time_percent
FROM outcome GROUP BY 1, 2, 3, 4;

-- The same by day (UTC).
CREATE VIEW report_service_level_day AS
SELECT desk, date(hour) AS day, brand, audience, sum(items) AS items, sum(with_level) AS with_level,
       sum(in_time) AS in_time, round(100.0 * sum(in_time) / nullif(sum(with_level), 0), 1) AS in_time_percent
FROM report_service_level GROUP BY 1, 2, 3, 4;

-- How long items took, by hour (UTC), agency, person, language and outcome.  Between two items a median and the like
-- lie on the line from one to the other.
CREATE VIEW report_handling AS
SELECT desk, hour, agency, person, language, outcome, count(*) AS items,
       round(avg(wall_ms) / 1000.0, 1) AS seconds_average,
       round(sum(wall_ms * max(0.0, 1 - abs(0.5 * last - place))) / 1000.0, 1) AS seconds_median,
       round(sum(wall_ms * max(0.0, 1 - abs(0.95 * last - place))) / 1000.0, 1) AS seconds_p95,
       round(avg(closed_ms - first_offered_ms) FILTER (WHERE first_offered_ms > 0) / 1000.0, 1)
           AS seconds_from_offer_average,
       sum(moves) AS moves
FROM (SELECT *, row_number() OVER (PARTITION BY hour, agency, person, language, outcome ORDER BY wall_ms) - 1 AS place,
             count(*) OVER (PARTITION BY hour, agency, person, language, outcome) - 1 AS last
      FROM (SELECT *, strftime('%Y-%m-%d %H:00:00', closed_ms / 1000, 'unixepoch') AS hour,
                   closed_ms - created_ms AS wall_ms FROM outcome))
GROUP BY 1, 2, 3, 4, 5, 6;

-- Items that were escalated, and why, by hour (UTC), brand, language and agency.
CREATE VIEW report_escalation AS
SELECT desk, strftime('%Y-%m-%d %H:00:00', closed_ms / 1000, 'unixepoch') AS hour, brand, language, agency,
       escalated AS why, count(*) AS items, count(*) FILTER (WHERE due_ms > 0 AND closed_ms > due_ms) AS late,
       round(avg(closed_ms - created_ms) / 1000.0, 1) AS seconds_average
FROM outcome WHERE escalated <> '' GROUP BY 1, 2, 3, 4, 5, 6;

-- What each agency did in each language, by hour (UTC).
CREATE VIEW report_agency_language AS
SELECT desk, strftime('%Y-%m-%d %H:00:00', closed_ms / 1000, 'unixepoch') AS hour, agency, language, count(*) AS items,
       count(*) FILTER (WHERE outcome = 'answered') AS answered, count(*) FILTER (WHERE escalated <> '') AS escalated,
       count(*) FILTER (WHERE due_ms > 0 AND closed_ms > due_ms) AS late,
       round(avg(closed_ms - created_ms) / 1000.0, 1) AS seconds_average
FROM outcome GROUP BY 1, 2, 3, 4;

-- Outcomes counted by day (UTC), brand, agency, language and kind.
CREATE VIEW report_day AS
SELECT desk, date(closed_ms / 1000, 'unixepoch') AS day, brand, agency, language, outcome, count(*) AS items,
       round(avg(closed_ms - created_ms) / 1000.0, 1) AS seconds_average,
       count(*) FILTER (WHERE due_ms > 0 AND closed_ms > due_ms) AS late,
       count(*) FILTER (WHERE escalated <> '') AS escalated, date(closed_ms / 1000, 'unixepoch') AS day_utc
FROM outcome GROUP BY 1, 2, 3, 4, 5, 6;

-- Outcomes counted by person.
CREATE VIEW report_person AS
SELECT desk, person, agency, outcome, count(*) AS items,
       round(avg(closed_ms - created_ms) / 1000.0, 1) AS seconds_average
FROM outcome WHERE person <> '' GROUP BY 1, 2, 3, 4;
