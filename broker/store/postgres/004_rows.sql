-- 004_rows.sql: the rows that the broker writes most, each as one value.
--
-- A statement is given an array of them: to unnest one array of rows costs a tenth of what as many arrays as the rows
-- have columns do, and with many desks batches are small.  The order of the columns is that of the broker's statements.

CREATE TYPE post_row AS (
    item bigint, number bigint, channel text, post text, brand text, author text, author_name text, reach bigint,
    text text, platform_language text, language text, thread text, parent text, link text, posted_ms bigint,
    taken_ms bigint, sensitive boolean, author_key bigint, with_pr bigint
);
COMMENT ON TYPE post_row IS 'A post as the broker writes it; with_pr: whether its item is with PR, -1: the table item knows.';

CREATE TYPE intake_key_row AS (
    day bigint, channel text, post text, intake_key bigint, item bigint, number bigint, taken_ms bigint
);
COMMENT ON TYPE intake_key_row IS 'A row of intake_key as the broker writes it.';

CREATE TYPE item_row AS (
    item bigint, brand text, channel text, audience text, language text, skills text, state text, band bigint,
    sealed boolean, returned boolean, approval boolean, fate_unknown boolean, created_ms bigint, due_ms bigint,
    since_ms bigint, until_ms bigint, lease bigint, person text, preferred text, preferred_until_ms bigint,
    thread_key bigint, author_key bigint, posts bigint, numbered bigint, moves bigint, first_offered_ms bigint,
    reason text, escalated text, reply bigint, draft_by text, request_person text, request_id bigint,
    request_state text, request_lease bigint, request_reply bigint, outcome text
);
COMMENT ON TYPE item_row IS 'A row of item as the broker writes it.';

CREATE TYPE reply_row AS (
    reply bigint, item bigint, brand text, channel text, person text, text text, key text, state text, sealed boolean,
    instance text, idempotent boolean, attempt bigint, created_ms bigint, handed_ms bigint, settled_ms bigint,
    reference text, reason text
);
COMMENT ON TYPE reply_row IS 'A row of reply as the broker writes it.';

CREATE TYPE reply_change_row AS (
    reply bigint, state text, sealed boolean, instance text, idempotent boolean, attempt bigint, created_ms bigint,
    handed_ms bigint, settled_ms bigint, reference text, reason text, person text, key text
);
COMMENT ON TYPE reply_change_row IS 'What became of a reply: a row of reply without what stays as it was written.';

CREATE TYPE event_row AS (
    sequence bigint, at_ms bigint, item bigint, kind text, person text, queue text, rule text, rules_version bigint,
    detail text
);
COMMENT ON TYPE event_row IS 'A row of event as the broker writes it.';

CREATE TYPE outcome_row AS (
    item bigint, outcome text, brand text, language text, audience text, person text, agency text, reason text,
    escalated text, reply bigint, created_ms bigint, closed_ms bigint, due_ms bigint, first_offered_ms bigint,
    posts bigint, moves bigint, sealed boolean, thread_key bigint, author_key bigint
);
COMMENT ON TYPE outcome_row IS 'A row of outcome as the broker writes it.';
