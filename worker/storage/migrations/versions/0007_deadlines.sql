-- The deadline that the clock gave, where it was changed since. A worker before this migration
-- decides by `due` as it finds it.
ALTER TABLE orders ADD COLUMN first_due timestamptz;
-- From `due` to the verdict, where that was put off since.
ALTER TABLE orders ADD COLUMN grace interval;
-- How long before the deadline the seller is reminded.
ALTER TABLE policies ADD COLUMN reminders interval[] NOT NULL DEFAULT '{}';
-- What operators and support did to a deadline: few, beside the acts. counted: NULL until the home
-- lane has looked at it, then whether it took effect.
CREATE TABLE deadline_changes (
    order_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    due timestamptz,
    author text NOT NULL,
    reason text NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    counted boolean,
    PRIMARY KEY (order_id, topic, partition, "offset")
);
-- A row for each reminder to come. One whose order has another deadline by then is stale.
CREATE TABLE reminders (
    lane int NOT NULL,
    remind_at timestamptz NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (lane, remind_at, order_id)
);
-- The last sign of life of any worker, and the spans without one.
ALTER TABLE installation ADD COLUMN alive_at timestamptz;
CREATE TABLE outages (
    began timestamptz PRIMARY KEY,
    ended timestamptz NOT NULL
)
