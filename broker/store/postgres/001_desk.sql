-- 001_desk.sql: the first schema of the desks' store in PostgreSQL.
--
-- Applied by the broker in one transaction, in the schema behalf.  Times are UTC milliseconds since 1970, 0 for
-- "not"; a text that is not known is ''.  Every primary key leads with the desk, so that a distributed PostgreSQL
-- can shard by it.  `event` and `post` are cut into months, made ahead by the broker through require_month.
-- The views at the end are made for reading; \d+ in psql shows what each column means.

CREATE TABLE desk (
    desk text NOT NULL PRIMARY KEY,
    epoch bigint NOT NULL,
    sequence bigint NOT NULL,
    next_id bigint NOT NULL,
    clock_ms bigint NOT NULL,
    owner text NOT NULL,
    backend integer NOT NULL DEFAULT 0,
    backend_started timestamptz,
    lease bigint NOT NULL DEFAULT 0,
    confirmed bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);
COMMENT ON TABLE desk IS 'One row a desk: how far it is, and who runs it.';
COMMENT ON COLUMN desk.desk IS 'Name of the desk.';
COMMENT ON COLUMN desk.epoch IS 'Raised by each broker that takes the desk over.';
COMMENT ON COLUMN desk.sequence IS 'Of the last change committed.';
COMMENT ON COLUMN desk.next_id IS 'Next id of an item or reply.';
COMMENT ON COLUMN desk.clock_ms IS 'The last value of the broker''s clock; it never goes back.';
COMMENT ON COLUMN desk.owner IS 'Host and process of the broker that took the desk over last.';
COMMENT ON COLUMN desk.backend IS 'Process of the server that serves the owner, to be ended by who takes the desk over.';
COMMENT ON COLUMN desk.backend_started IS 'When that process started, as its number may be used again.';
COMMENT ON COLUMN desk.lease IS 'Renewals of the owner''s lease: challengers watch it stand still.';
COMMENT ON COLUMN desk.confirmed IS 'Commits that only proved that commits work again.';

CREATE TABLE rules (
    desk text NOT NULL,
    version bigint NOT NULL,
    name text NOT NULL,
    text text NOT NULL,
    at_ms bigint NOT NULL,
    PRIMARY KEY (desk, version)
);
COMMENT ON TABLE rules IS 'Every version of the rules of engagement that was applied; the highest is in force.';
COMMENT ON COLUMN rules.desk IS 'Name of the desk.';
COMMENT ON COLUMN rules.version IS 'Counts from 1.';
COMMENT ON COLUMN rules.name IS 'Of the file they came from.';
COMMENT ON COLUMN rules.text IS 'The rules, YAML.';
COMMENT ON COLUMN rules.at_ms IS 'When they were applied.';

CREATE TABLE brand_freeze (
    desk text NOT NULL,
    brand text NOT NULL,
    frozen boolean NOT NULL,
    person text NOT NULL,
    reason text NOT NULL,
    at_ms bigint NOT NULL,
    PRIMARY KEY (desk, brand)
);
COMMENT ON TABLE brand_freeze IS 'The red button, by brand.';
COMMENT ON COLUMN brand_freeze.desk IS 'Name of the desk.';
COMMENT ON COLUMN brand_freeze.brand IS 'The brand whose replies stop.';
COMMENT ON COLUMN brand_freeze.frozen IS 'False: lifted.';
COMMENT ON COLUMN brand_freeze.person IS 'Who pressed or lifted it.';
COMMENT ON COLUMN brand_freeze.reason IS 'Why, in their words.';
COMMENT ON COLUMN brand_freeze.at_ms IS 'When.';

CREATE TABLE intake_key (
    desk text NOT NULL,
    day bigint NOT NULL,
    channel text COLLATE "C" NOT NULL,
    post text COLLATE "C" NOT NULL,
    intake_key bigint NOT NULL,
    item bigint NOT NULL,
    number bigint NOT NULL,
    taken_ms bigint NOT NULL,
    PRIMARY KEY (desk, day, channel, post)
);
COMMENT ON TABLE intake_key IS 'Which posts have been taken: what takes a post at most once. Old days may be dropped.';
COMMENT ON COLUMN intake_key.desk IS 'Name of the desk.';
COMMENT ON COLUMN intake_key.day IS 'Day of the platform, posted_ms / 86400000; 0 where the platform does not say.';
COMMENT ON COLUMN intake_key.channel IS 'Channel of the post.';
COMMENT ON COLUMN intake_key.post IS 'The platform''s id of the post.';
COMMENT ON COLUMN intake_key.intake_key IS '64-bit hash of channel and post, for the broker''s memory.';
COMMENT ON COLUMN intake_key.item IS 'The item the post is in.';
COMMENT ON COLUMN intake_key.number IS 'The post''s number within the item.';
COMMENT ON COLUMN intake_key.taken_ms IS 'When the post was taken in: finds its month.';

CREATE TABLE post (
    desk text NOT NULL,
    item bigint NOT NULL,
    number bigint NOT NULL,
    channel text NOT NULL,
    post text NOT NULL,
    brand text NOT NULL,
    author text NOT NULL,
    author_name text NOT NULL,
    reach bigint NOT NULL,
    text text NOT NULL,
    platform_language text NOT NULL,
    language text NOT NULL,
    thread text NOT NULL,
    parent text NOT NULL,
    link text NOT NULL,
    posted_ms bigint NOT NULL,
    taken_ms bigint NOT NULL,
    sensitive boolean NOT NULL,
    sealed boolean NOT NULL,
    author_key bigint NOT NULL,
    edited_text text,
    deleted boolean NOT NULL DEFAULT false,
    changed_ms bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (desk, item, number, taken_ms)
) PARTITION BY RANGE (taken_ms);
CREATE INDEX post_author ON post (desk, author_key, brand, item, number);
COMMENT ON TABLE post IS 'What customers wrote, by the month of taking in. Texts are never edited here; that the author edited or deleted one is kept beside.';
COMMENT ON COLUMN post.desk IS 'Name of the desk.';
COMMENT ON COLUMN post.item IS 'The item it is in.';
COMMENT ON COLUMN post.number IS 'Within the item, from 1.';
COMMENT ON COLUMN post.channel IS 'The channel it came by.';
COMMENT ON COLUMN post.post IS 'The platform''s id.';
COMMENT ON COLUMN post.brand IS 'Whose customer wrote.';
COMMENT ON COLUMN post.author IS 'The customer''s handle.';
COMMENT ON COLUMN post.author_name IS 'The customer''s name as shown.';
COMMENT ON COLUMN post.reach IS 'Followers of the author.';
COMMENT ON COLUMN post.text IS 'As first taken.';
COMMENT ON COLUMN post.platform_language IS 'The language as the platform says.';
COMMENT ON COLUMN post.language IS 'The language found, ISO 639-1, or und.';
COMMENT ON COLUMN post.thread IS 'The platform''s id of the thread.';
COMMENT ON COLUMN post.parent IS 'The platform''s id of the post it answers.';
COMMENT ON COLUMN post.link IS 'Where it is seen on the platform.';
COMMENT ON COLUMN post.posted_ms IS 'When, as the platform says.';
COMMENT ON COLUMN post.taken_ms IS 'When it was taken in.';
COMMENT ON COLUMN post.sensitive IS 'A rule or a person sealed it: agents never see it.';
COMMENT ON COLUMN post.sealed IS 'Went to PR with its item: agents never see it.';
COMMENT ON COLUMN post.author_key IS '64-bit hash of channel and author.';
COMMENT ON COLUMN post.edited_text IS 'The latest text; NULL: never edited.';
COMMENT ON COLUMN post.deleted IS 'Its author has deleted it.';
COMMENT ON COLUMN post.changed_ms IS 'When it was last edited or deleted.';

CREATE TABLE item (
    desk text NOT NULL,
    item bigint NOT NULL,
    brand text NOT NULL,
    channel text NOT NULL,
    audience text NOT NULL,
    language text NOT NULL,
    skills text NOT NULL,
    state text NOT NULL,
    open boolean GENERATED ALWAYS AS (state <> 'closed') STORED,
    band bigint NOT NULL,
    sealed boolean NOT NULL,
    returned boolean NOT NULL,
    approval boolean NOT NULL,
    fate_unknown boolean NOT NULL,
    created_ms bigint NOT NULL,
    due_ms bigint NOT NULL,
    since_ms bigint NOT NULL,
    until_ms bigint NOT NULL,
    lease bigint NOT NULL,
    person text NOT NULL,
    preferred text NOT NULL,
    preferred_until_ms bigint NOT NULL,
    thread_key bigint NOT NULL,
    author_key bigint NOT NULL,
    posts bigint NOT NULL,
    numbered bigint NOT NULL,
    moves bigint NOT NULL,
    first_offered_ms bigint NOT NULL,
    reason text NOT NULL,
    escalated text NOT NULL,
    reply bigint NOT NULL,
    draft_by text NOT NULL,
    request_person text NOT NULL,
    request_id bigint NOT NULL,
    request_state text NOT NULL,
    request_lease bigint NOT NULL,
    request_reply bigint NOT NULL,
    outcome text NOT NULL,
    PRIMARY KEY (desk, item)
) WITH (fillfactor = 60);
-- By `open`, not by `state`: moving between open states then changes no index.
CREATE INDEX item_open ON item (desk, item) WHERE open;
COMMENT ON TABLE item IS 'Items as they are now; those that ended stay, with state closed.';
COMMENT ON COLUMN item.desk IS 'Name of the desk.';
COMMENT ON COLUMN item.item IS 'The item''s id.';
COMMENT ON COLUMN item.brand IS 'Whose customer wrote.';
COMMENT ON COLUMN item.channel IS 'The channel of its posts.';
COMMENT ON COLUMN item.audience IS 'In whose queue: agent, pr, approver, supervisor.';
COMMENT ON COLUMN item.language IS 'Language of the posts.';
COMMENT ON COLUMN item.skills IS 'Skills needed, sorted, joined by commas.';
COMMENT ON COLUMN item.state IS 'waiting, offered, held, parked, sending, closed.';
COMMENT ON COLUMN item.open IS 'Whether it has not ended.';
COMMENT ON COLUMN item.band IS 'Lower is sooner.';
COMMENT ON COLUMN item.sealed IS 'Has been PR''s for a sensitive reason.';
COMMENT ON COLUMN item.returned IS 'Waits at the head of its queue.';
COMMENT ON COLUMN item.approval IS 'An agent''s answer goes to an approver.';
COMMENT ON COLUMN item.fate_unknown IS 'A reply of it may or may not have been published.';
COMMENT ON COLUMN item.created_ms IS 'When it was taken in.';
COMMENT ON COLUMN item.due_ms IS 'End of the service level or reply window.';
COMMENT ON COLUMN item.since_ms IS 'In this state since.';
COMMENT ON COLUMN item.until_ms IS 'Offered: take it before; parked: due.';
COMMENT ON COLUMN item.lease IS 'Counts offers.';
COMMENT ON COLUMN item.person IS 'Offered to, held by, or whose reply is sending.';
COMMENT ON COLUMN item.preferred IS 'Who shall have it first.';
COMMENT ON COLUMN item.preferred_until_ms IS 'Until when it waits for them.';
COMMENT ON COLUMN item.thread_key IS '64-bit hash of channel, thread and author.';
COMMENT ON COLUMN item.author_key IS '64-bit hash of channel and author.';
COMMENT ON COLUMN item.posts IS 'Posts not deleted by their author.';
COMMENT ON COLUMN item.numbered IS 'Posts ever taken into it.';
COMMENT ON COLUMN item.moves IS 'Times put back into a queue.';
COMMENT ON COLUMN item.first_offered_ms IS 'When it was first offered.';
COMMENT ON COLUMN item.reason IS 'Why it is in its queue.';
COMMENT ON COLUMN item.escalated IS 'Why it was first escalated.';
COMMENT ON COLUMN item.reply IS 'The last reply made.';
COMMENT ON COLUMN item.draft_by IS 'Author of the draft.';
COMMENT ON COLUMN item.request_person IS 'Whose request last moved it, for repeats.';
COMMENT ON COLUMN item.request_id IS 'That request''s id.';
COMMENT ON COLUMN item.request_state IS 'The state it led to.';
COMMENT ON COLUMN item.request_lease IS 'The lease it named.';
COMMENT ON COLUMN item.request_reply IS 'The reply it made.';
COMMENT ON COLUMN item.outcome IS 'When closed: how it ended.';

CREATE TABLE draft (
    desk text NOT NULL,
    item bigint NOT NULL,
    person text NOT NULL,
    text text NOT NULL,
    sealed boolean NOT NULL,
    at_ms bigint NOT NULL,
    PRIMARY KEY (desk, item)
);
COMMENT ON TABLE draft IS 'The draft of an item, at most one.';
COMMENT ON COLUMN draft.desk IS 'Name of the desk.';
COMMENT ON COLUMN draft.item IS 'The item.';
COMMENT ON COLUMN draft.person IS 'Who wrote it.';
COMMENT ON COLUMN draft.text IS 'What was written.';
COMMENT ON COLUMN draft.sealed IS 'Agents never see it.';
COMMENT ON COLUMN draft.at_ms IS 'When.';

CREATE TABLE note (
    desk text NOT NULL,
    item bigint NOT NULL,
    number bigint NOT NULL,
    kind text NOT NULL,
    person text NOT NULL,
    text text NOT NULL,
    sealed boolean NOT NULL,
    at_ms bigint NOT NULL,
    PRIMARY KEY (desk, item, number)
);
COMMENT ON TABLE note IS 'What people noted for each other.';
COMMENT ON COLUMN note.desk IS 'Name of the desk.';
COMMENT ON COLUMN note.item IS 'The item.';
COMMENT ON COLUMN note.number IS 'Within the item, from 1.';
COMMENT ON COLUMN note.kind IS 'note, or guidance: what PR tells the agents when it returns an item.';
COMMENT ON COLUMN note.person IS 'Who wrote it.';
COMMENT ON COLUMN note.text IS 'What was written.';
COMMENT ON COLUMN note.sealed IS 'Agents never see it, unless it is guidance.';
COMMENT ON COLUMN note.at_ms IS 'When.';

CREATE TABLE reply (
    desk text NOT NULL,
    reply bigint NOT NULL,
    item bigint NOT NULL,
    brand text NOT NULL,
    channel text NOT NULL,
    person text NOT NULL,
    text text NOT NULL,
    key text NOT NULL,
    state text NOT NULL,
    open boolean GENERATED ALWAYS AS (state IN ('queued', 'handed', 'unknown')) STORED,
    sealed boolean NOT NULL,
    instance text NOT NULL,
    idempotent boolean NOT NULL,
    attempt bigint NOT NULL,
    created_ms bigint NOT NULL,
    handed_ms bigint NOT NULL,
    settled_ms bigint NOT NULL,
    reference text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (desk, reply)
) WITH (fillfactor = 70);
CREATE INDEX reply_item ON reply (desk, item, reply);
CREATE INDEX reply_open ON reply (desk, reply) WHERE open;
COMMENT ON TABLE reply IS 'The outbox, and what became of each reply.';
COMMENT ON COLUMN reply.desk IS 'Name of the desk.';
COMMENT ON COLUMN reply.reply IS 'The reply''s id.';
COMMENT ON COLUMN reply.item IS 'The item it answers.';
COMMENT ON COLUMN reply.brand IS 'For whom it speaks.';
COMMENT ON COLUMN reply.channel IS 'Where it is published.';
COMMENT ON COLUMN reply.person IS 'Who answered.';
COMMENT ON COLUMN reply.text IS 'As published, disclosure included.';
COMMENT ON COLUMN reply.key IS 'Idempotency key.';
COMMENT ON COLUMN reply.state IS 'queued, handed, confirmed, failed, unknown, withdrawn.';
COMMENT ON COLUMN reply.open IS 'Whether its item may still hang on it: queued, handed or of unknown fate.';
COMMENT ON COLUMN reply.sealed IS 'Agents never see it.';
COMMENT ON COLUMN reply.instance IS 'The connector instance that has it.';
COMMENT ON COLUMN reply.idempotent IS 'That instance publishes a reply handed to it twice only once.';
COMMENT ON COLUMN reply.attempt IS 'Counts how often it was handed out.';
COMMENT ON COLUMN reply.created_ms IS 'When it was made.';
COMMENT ON COLUMN reply.handed_ms IS 'When it was last handed out.';
COMMENT ON COLUMN reply.settled_ms IS 'When its fate was known.';
COMMENT ON COLUMN reply.reference IS 'The platform''s id of what was published.';
COMMENT ON COLUMN reply.reason IS 'Why it failed or was withdrawn.';

CREATE TABLE event (
    desk text NOT NULL,
    sequence bigint NOT NULL,
    at_ms bigint NOT NULL,
    item bigint NOT NULL,
    kind text NOT NULL,
    person text NOT NULL,
    queue text NOT NULL,
    rule text NOT NULL,
    rules_version bigint NOT NULL,
    detail text NOT NULL,
    PRIMARY KEY (desk, sequence, at_ms)
) PARTITION BY RANGE (at_ms);
CREATE INDEX event_item ON event (desk, item, sequence);
COMMENT ON TABLE event IS 'What became true, when, through whom and why, by month; only ever appended to.';
COMMENT ON COLUMN event.desk IS 'Name of the desk.';
COMMENT ON COLUMN event.sequence IS 'Counts the desk''s changes.';
COMMENT ON COLUMN event.at_ms IS 'When.';
COMMENT ON COLUMN event.item IS 'Of which item; 0: of the desk.';
COMMENT ON COLUMN event.kind IS 'What: taken, merged, offered, held, escalated, ...';
COMMENT ON COLUMN event.person IS 'Who did it or to whom it happened.';
COMMENT ON COLUMN event.queue IS 'audience/brand/language/skills.';
COMMENT ON COLUMN event.rule IS 'The rule that decided.';
COMMENT ON COLUMN event.rules_version IS 'Version of the rules in force.';
COMMENT ON COLUMN event.detail IS 'Why, in words; of an offer how many fit, the first of them as name/in hand/skill/language/seconds idle, and by what order.';

CREATE TABLE outcome (
    desk text NOT NULL,
    ended bigint NOT NULL,
    item bigint NOT NULL,
    outcome text NOT NULL,
    brand text NOT NULL,
    language text NOT NULL,
    audience text NOT NULL,
    person text NOT NULL,
    agency text NOT NULL,
    reason text NOT NULL,
    escalated text NOT NULL,
    reply bigint NOT NULL,
    created_ms bigint NOT NULL,
    closed_ms bigint NOT NULL,
    due_ms bigint NOT NULL,
    first_offered_ms bigint NOT NULL,
    wall_ms bigint GENERATED ALWAYS AS (closed_ms - created_ms) STORED,
    service_ms bigint NOT NULL,
    late boolean GENERATED ALWAYS AS (due_ms > 0 AND closed_ms > due_ms) STORED,
    posts bigint NOT NULL,
    moves bigint NOT NULL,
    sealed boolean NOT NULL,
    thread_key bigint NOT NULL,
    author_key bigint NOT NULL,
    PRIMARY KEY (desk, ended),
    UNIQUE (desk, item)
);
CREATE INDEX outcome_closed ON outcome (desk, closed_ms, ended);
COMMENT ON TABLE outcome IS 'One row an item that ended, numbered in the order of their end: made for reports.';
COMMENT ON COLUMN outcome.desk IS 'Name of the desk.';
COMMENT ON COLUMN outcome.ended IS 'Counts the desk''s ended items.';
COMMENT ON COLUMN outcome.item IS 'The item.';
COMMENT ON COLUMN outcome.outcome IS 'answered, no-answer-needed, noise, duplicate, handed-off, withdrawn, expired.';
COMMENT ON COLUMN outcome.brand IS 'Whose customer wrote.';
COMMENT ON COLUMN outcome.language IS 'Language of the posts.';
COMMENT ON COLUMN outcome.audience IS 'In whose queue it ended.';
COMMENT ON COLUMN outcome.person IS 'Who ended it.';
COMMENT ON COLUMN outcome.agency IS 'That person''s agency.';
COMMENT ON COLUMN outcome.reason IS 'The rule or the person''s note.';
COMMENT ON COLUMN outcome.escalated IS 'Why it was first escalated; '''': never.';
COMMENT ON COLUMN outcome.reply IS 'The reply published; 0: none.';
COMMENT ON COLUMN outcome.created_ms IS 'When it was taken in.';
COMMENT ON COLUMN outcome.closed_ms IS 'When it ended.';
COMMENT ON COLUMN outcome.due_ms IS 'End of the service level; 0: none.';
COMMENT ON COLUMN outcome.first_offered_ms IS 'When it was first offered; 0: never.';
COMMENT ON COLUMN outcome.wall_ms IS 'From taking in to the end, by the wall clock.';
COMMENT ON COLUMN outcome.service_ms IS 'From taking in to the end, by the clock of the service level; the wall clock where a brand has no business hours.';
COMMENT ON COLUMN outcome.late IS 'It ended after its service level.';
COMMENT ON COLUMN outcome.posts IS 'Posts in it.';
COMMENT ON COLUMN outcome.moves IS 'Times put back into a queue.';
COMMENT ON COLUMN outcome.sealed IS 'Was PR''s for a sensitive reason.';
COMMENT ON COLUMN outcome.thread_key IS '64-bit hash of channel, thread and author.';
COMMENT ON COLUMN outcome.author_key IS '64-bit hash of channel and author.';

-- Moves a desk on, or raises BF001: nothing of a transaction of a broker that is not the owner may stay.
CREATE FUNCTION advance(at_desk text, at_epoch bigint, at_sequence bigint, to_sequence bigint, to_next_id bigint,
                        to_clock_ms bigint, started timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE behalf.desk AS d SET sequence = to_sequence, next_id = greatest(d.next_id, to_next_id),
           clock_ms = greatest(d.clock_ms, to_clock_ms), backend = pg_backend_pid(), backend_started = started
    WHERE d.desk = at_desk AND d.epoch = at_epoch AND d.sequence = at_sequence;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the desk % is not at epoch %, sequence %', at_desk, at_epoch, at_sequence
            USING ERRCODE = 'BF001';
    END IF;
END $$;
COMMENT ON FUNCTION advance IS 'Moves a desk on, or raises BF001 when it is not where the broker believes.';

-- Counts a commit that changes nothing else, or raises BF001.
CREATE FUNCTION confirm(at_desk text, at_epoch bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE behalf.desk AS d SET confirmed = d.confirmed + 1 WHERE d.desk = at_desk AND d.epoch = at_epoch;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the desk % is not at epoch %', at_desk, at_epoch USING ERRCODE = 'BF001';
    END IF;
END $$;
COMMENT ON FUNCTION confirm IS 'Proves that commits work again: changes the desk''s row and nothing else.';

-- Raises BF002 unless as many rows were found as wanted.
CREATE FUNCTION expect(changed bigint, wanted bigint, otherwise text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF changed <> wanted THEN
        RAISE EXCEPTION '%', otherwise USING ERRCODE = 'BF002';
    END IF;
END $$;
COMMENT ON FUNCTION expect IS 'Raises BF002 unless as many rows were changed as the broker wanted.';

-- Where the partition of all that came before the first month ends.
CREATE FUNCTION past_end_ms(parent text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''?(-?[0-9]+)''?\)')::bigint
    FROM pg_class AS c WHERE c.oid = to_regclass(format('behalf.%I', parent || '_past'))
$$;
COMMENT ON FUNCTION past_end_ms IS 'Where the partition of all that came before the first month ends.';

-- Makes the month of `at_ms` in one table, without locking readers and writers out.
CREATE FUNCTION require_month_of(parent text, at_ms bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    first timestamp := date_trunc('month', to_timestamp(at_ms / 1000.0) AT TIME ZONE 'UTC');
    name text := parent || to_char(first, '_YYYY_MM');
    from_ms bigint := (extract(epoch FROM first) * 1000)::bigint;
    to_ms bigint := (extract(epoch FROM first + interval '1 month') * 1000)::bigint;
BEGIN
    IF at_ms < behalf.past_end_ms(parent) OR to_regclass(format('behalf.%I', name)) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(4774451407313060418);
    IF to_regclass(format('behalf.%I', name)) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE behalf.%I (LIKE behalf.%I INCLUDING ALL)', name, parent);
    EXECUTE format('COMMENT ON TABLE behalf.%I IS %L', name, parent || to_char(first, ', of YYYY-MM'));
    EXECUTE format('ALTER TABLE behalf.%I ATTACH PARTITION behalf.%I FOR VALUES FROM (%s) TO (%s)', parent, name,
                   from_ms, to_ms);
END $$;
COMMENT ON FUNCTION require_month_of IS 'Makes the month of a time in one table, if it is not there.';

CREATE FUNCTION require_month(at_ms bigint) RETURNS void LANGUAGE sql AS $$
    SELECT behalf.require_month_of('event', at_ms), behalf.require_month_of('post', at_ms)
$$;
COMMENT ON FUNCTION require_month IS 'Makes the partitions of event and post for the month of a time, if they are not there.';

-- All that came before this month is one partition each.
DO $$
DECLARE
    first bigint := (extract(epoch FROM date_trunc('month', now() AT TIME ZONE 'UTC')) * 1000)::bigint;
BEGIN
    EXECUTE format('CREATE TABLE behalf.event_past PARTITION OF behalf.event FOR VALUES FROM (MINVALUE) TO (%s)', first);
    EXECUTE format('CREATE TABLE behalf.post_past PARTITION OF behalf.post FOR VALUES FROM (MINVALUE) TO (%s)', first);
END $$;
COMMENT ON TABLE event_past IS 'event, of before the first month';
COMMENT ON TABLE post_past IS 'post, of before the first month';

-- A time in milliseconds as a timestamp; NULL for 0.
CREATE FUNCTION at(ms bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN ms > 0 THEN to_timestamp(ms / 1000.0) END
$$;
COMMENT ON FUNCTION at IS 'A time in milliseconds as a timestamp; NULL for 0.';

CREATE VIEW report_outcome AS
SELECT o.desk, o.ended, o.item, o.outcome, o.brand, p.channel, p.post, p.author, o.language, o.audience, o.person,
       o.agency, o.reason, o.escalated, p.text AS post_text, r.text AS reply_text, r.reference,
       at(o.created_ms) AS created, at(o.closed_ms) AS closed, o.wall_ms / 1000.0 AS seconds,
       o.service_ms / 1000.0 AS service_seconds,
       CASE WHEN o.first_offered_ms > 0 THEN (o.first_offered_ms - o.created_ms) / 1000.0 END AS seconds_to_offer,
       o.late, o.posts, o.moves, o.sealed
FROM outcome AS o
LEFT JOIN post AS p ON p.desk = o.desk AND p.item = o.item AND p.number = 1
LEFT JOIN reply AS r ON r.desk = o.desk AND r.reply = o.reply AND o.reply > 0;
COMMENT ON VIEW report_outcome IS 'How items ended, with what was written and what was answered.';

CREATE VIEW report_open AS
SELECT desk, item, audience, brand, language, skills, state, person, reason, escalated, posts, moves, sealed,
       at(created_ms) AS created, at(since_ms) AS since, at(due_ms) AS due
FROM item WHERE open ORDER BY desk, created_ms;
COMMENT ON VIEW report_open IS 'Items that are open, the longest waiting first.';

CREATE VIEW report_service_level AS
SELECT desk, date_trunc('hour', at(closed_ms), 'UTC') AS hour, brand, audience, count(*) AS items,
       count(*) FILTER (WHERE due_ms > 0) AS with_level, count(*) FILTER (WHERE due_ms > 0 AND NOT late) AS in_time,
       round(100.0 * count(*) FILTER (WHERE due_ms > 0 AND NOT late)
             / nullif(count(*) FILTER (WHERE due_ms > 0), 0), 1) AS in_time_percent
FROM outcome GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW report_service_level IS 'Items that ended within their service level, by hour (UTC), brand and audience.';

CREATE VIEW report_service_level_day AS
SELECT desk, date_trunc('day', hour, 'UTC') AS day, brand, audience, sum(items) AS items, sum(with_level) AS with_level,
       sum(in_time) AS in_time, round(100.0 * sum(in_time) / nullif(sum(with_level), 0), 1) AS in_time_percent
FROM report_service_level GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW report_service_level_day IS 'The same by day (UTC).';

CREATE VIEW report_handling AS
SELECT desk, date_trunc('hour', at(closed_ms), 'UTC') AS hour, agency, person, language, outcome, count(*) AS items,
       round(avg(wall_ms) / 1000.0, 1) AS seconds_average,
       round((percentile_cont(0.5) WITHIN GROUP (ORDER BY wall_ms) / 1000.0)::numeric, 1) AS seconds_median,
       round((percentile_cont(0.95) WITHIN GROUP (ORDER BY wall_ms) / 1000.0)::numeric, 1) AS seconds_p95,
       round(avg(closed_ms - first_offered_ms) FILTER (WHERE first_offered_ms > 0) / 1000.0, 1)
           AS seconds_from_offer_average,
       sum(moves) AS moves
FROM outcome GROUP BY 1, 2, 3, 4, 5, 6;
COMMENT ON VIEW report_handling IS 'How long items took, by hour (UTC), agency, person, language and outcome.';

CREATE VIEW report_escalation AS
SELECT desk, date_trunc('hour', at(closed_ms), 'UTC') AS hour, brand, language, agency, escalated AS why,
       count(*) AS items, count(*) FILTER (WHERE late) AS late, round(avg(wall_ms) / 1000.0, 1) AS seconds_average
FROM outcome WHERE escalated <> '' GROUP BY 1, 2, 3, 4, 5, 6;
COMMENT ON VIEW report_escalation IS 'Items that were escalated, and why, by hour (UTC), brand, language and agency.';

CREATE VIEW report_agency_language AS
SELECT desk, date_trunc('hour', at(closed_ms), 'UTC') AS hour, agency, language, count(*) AS items,
       count(*) FILTER (WHERE outcome = 'answered') AS answered, count(*) FILTER (WHERE escalated <> '') AS escalated,
       count(*) FILTER (WHERE late) AS late, round(avg(wall_ms) / 1000.0, 1) AS seconds_average
FROM outcome GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW report_agency_language IS 'What each agency did in each language, by hour (UTC).';

CREATE VIEW report_day AS
SELECT desk, date_trunc('day', at(closed_ms), 'UTC') AS day, brand, agency, language, outcome, count(*) AS items,
       round(avg(wall_ms) / 1000.0, 1) AS seconds_average, count(*) FILTER (WHERE late) AS late,
       count(*) FILTER (WHERE escalated <> '') AS escalated
FROM outcome GROUP BY 1, 2, 3, 4, 5, 6;
COMMENT ON VIEW report_day IS 'Outcomes counted by day (UTC), brand, agency, language and kind.';

CREATE VIEW report_person AS
SELECT desk, person, agency, outcome, count(*) AS items, round(avg(wall_ms) / 1000.0, 1) AS seconds_average
FROM outcome WHERE person <> '' GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW report_person IS 'Outcomes counted by person.';
