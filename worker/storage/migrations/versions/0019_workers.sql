-- The workers that run, one row each, so that the others see the end of one before Kafka does. Kafka
-- removes a member after its session time-out, and until then every rebalance waits for it.
CREATE TABLE workers (
    -- PLAZO_INSTANCE, or the owner's own name.
    name text PRIMARY KEY,
    -- The process that has the name now.
    owner text NOT NULL,
    -- Its member in the consumer group; none before it joins, and none once the others removed it.
    member_id text,
    -- The others wait this long for it to come back.
    absence interval NOT NULL,
    -- The server and the session by which it wrote this; no session once it has stopped.
    incarnation text NOT NULL,
    pid int,
    beat_at timestamptz NOT NULL,
    removed_at timestamptz
)
-- Rewritten twice a second in place.
WITH (fillfactor = 50)
