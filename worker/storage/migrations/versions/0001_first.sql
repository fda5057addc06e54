-- Who reads a lane, and how far its output has come. One row per partition number.
CREATE TABLE lanes (
    lane int PRIMARY KEY,
    -- Raised at every take-over. A transaction that holds an older one fails whole.
    epoch bigint NOT NULL DEFAULT 0,
    owner text,
    taken_at timestamptz,
    -- The last sequence given to a decision of this lane: dense, because it is only ever
    -- raised in the transaction that inserts the decisions, under this row's lock.
    sequence bigint NOT NULL DEFAULT 0,
    -- Kept here so that a gauge needs no count over millions of rows.
    open_deadlines bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

-- The last sequence known to stand in the decisions topic, whose own tail is the truth. A table of
-- its own: the relay writes it without the fence, and must not disturb whoever holds that.
CREATE TABLE published (
    lane int PRIMARY KEY,
    sequence bigint NOT NULL
) WITH (fillfactor = 20);

-- Read up to here: moves in the transaction that holds the effect of what was read.
CREATE TABLE positions (
    topic text NOT NULL,
    partition int NOT NULL,
    next_offset bigint NOT NULL,
    -- The log is known whole from this instant on; NULL: from its beginning.
    covered_since timestamptz,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 20);

CREATE TABLE orders (
    order_id text COLLATE "C" PRIMARY KEY,
    -- The home lane. NULL is a stub: an act came before its order. The stub makes the two
    -- meet on one key, so that neither lane can miss what the other is committing.
    lane int,
    seller_id text,
    fulfilment text,
    entered_at timestamptz,
    due timestamptz,
    fires_at timestamptz,
    policy text,
    at_lapse text,
    total numeric,
    currency text,
    topic text,
    partition int,
    "offset" bigint,
    received_at timestamptz,
    -- What the acts in time said when the order was last decided; NULL: not decided yet.
    finding text,
    outcome text,
    decided_at timestamptz,
    decisions int NOT NULL DEFAULT 0
) WITH (fillfactor = 80);

-- The audit trail: every record that could be read, whatever lane it came by.
CREATE TABLE acts (
    order_id text COLLATE "C" NOT NULL,
    status text NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    stock_ok boolean,
    form_complete boolean,
    body text NOT NULL
);
CREATE INDEX acts_by_order ON acts (order_id);

-- One narrow row per undecided order, so that the sweep reads what is due and nothing else,
-- and a status change never touches an index on a deadline.
CREATE TABLE deadlines (
    lane int NOT NULL,
    fires_at timestamptz NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (lane, fires_at, order_id)
);

-- "Look at this order again": written with an act that came by a foreign lane or after the
-- verdict, and taken by the home lane under its own fence. No key but its number: an insert that
-- met an existing row and did nothing would be lost when that row is deleted meanwhile.
CREATE TABLE notices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane int NOT NULL,
    order_id text COLLATE "C" NOT NULL
);
CREATE INDEX notices_by_lane ON notices (lane, id);

-- What was decided, and at once the outbox: the relay reads it in the order of its sequence.
CREATE TABLE decisions (
    lane int NOT NULL,
    sequence bigint NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    ordinal int NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    revokes int,
    decided_at timestamptz NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (lane, sequence)
);
CREATE UNIQUE INDEX decisions_by_order ON decisions (order_id, ordinal);

-- Records that could not be read: the bytes as they came.
CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane int NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    timestamp timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    error text NOT NULL,
    message text NOT NULL,
    key bytea,
    value bytea,
    header_names bytea[] NOT NULL,
    header_values bytea[] NOT NULL,
    published boolean NOT NULL DEFAULT false,
    settled text,
    settled_by text,
    settled_at timestamptz,
    UNIQUE (topic, partition, "offset")
);
CREATE INDEX dead_letters_unpublished ON dead_letters (lane, id) WHERE NOT published;

-- The orders that an unsettled dead letter names: none of them is cancelled.
CREATE TABLE shields (
    order_id text COLLATE "C" NOT NULL,
    dead_letter bigint NOT NULL REFERENCES dead_letters (id) ON DELETE CASCADE,
    PRIMARY KEY (order_id, dead_letter)
);
CREATE INDEX shields_by_dead_letter ON shields (dead_letter);
