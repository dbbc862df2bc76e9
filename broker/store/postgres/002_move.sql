-- 002_move.sql: a desk that is being moved between stores is held: no broker may take it over.

ALTER TABLE desk
    ADD COLUMN held text NOT NULL DEFAULT '',
    ADD COLUMN held_place text NOT NULL DEFAULT '',
    ADD COLUMN held_ms bigint NOT NULL DEFAULT 0,
    ADD COLUMN held_move text NOT NULL DEFAULT '',
    ADD COLUMN held_epoch bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT desk_is_held CHECK (held = '' OR epoch = held_epoch);
COMMENT ON COLUMN desk.held IS 'Why no broker may take it over: leaving, moved, arriving, clearing; '''': it may.';
COMMENT ON COLUMN desk.held_place IS 'The other store of the move.';
COMMENT ON COLUMN desk.held_ms IS 'Held since.';
COMMENT ON COLUMN desk.held_move IS 'Names the move, the same in both stores.';
COMMENT ON COLUMN desk.held_epoch IS 'The epoch at which a held desk stands still: who raises it is refused.';
