-- 002_move.sql: a desk that is being moved between stores is held: no broker may take it over.
--
-- held: '' (not), 'leaving' (its rows are being copied from here), 'moved' (they were; what is here is the past),
-- 'arriving' (its rows are being copied to here), 'clearing' (what was here before is being removed).

ALTER TABLE desk ADD COLUMN held TEXT NOT NULL DEFAULT '';
ALTER TABLE desk ADD COLUMN held_place TEXT NOT NULL DEFAULT '';    -- the other store
ALTER TABLE desk ADD COLUMN held_ms INTEGER NOT NULL DEFAULT 0;     -- since when
ALTER TABLE desk ADD COLUMN held_move TEXT NOT NULL DEFAULT '';     -- names the move, the same in both stores
ALTER TABLE desk ADD COLUMN held_epoch INTEGER NOT NULL DEFAULT 0   -- at which it stands still: taking over fails
    CONSTRAINT desk_is_held CHECK (held = '' OR epoch = held_epoch);
