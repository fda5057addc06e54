-- What a person said of the brake: one row.
CREATE TABLE brake (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    released_until timestamptz,
    escalate_until timestamptz,
    set_by text,
    set_at timestamptz
);
INSERT INTO brake DEFAULT VALUES;
-- What each sweep took of the limits.
CREATE TABLE brake_counts (
    counted_at timestamptz NOT NULL,
    lane int NOT NULL,
    seller_id text NOT NULL,
    lapsed int NOT NULL,
    cancels int NOT NULL
);
CREATE INDEX brake_counts_by_time ON brake_counts (counted_at);
