-- Starts, starts again or stops the clocks of orders. A stopped clock has no deadline. $4 is NULL
-- for a clock that stops, and $9 the time at which the deadline before would have fired.
WITH clocks AS (
    SELECT * FROM unnest($2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[],
            $6::text[], $7::int[], $8::text[], $9::timestamptz[], $10::text[], $11::text[])
        AS c (order_id, started_at, due, fires_at, policy, policy_version, at_lapse, fired_at,
            doubt, seller_id)
), set AS (
    UPDATE orders AS o SET started_at = c.started_at, due = c.due, fires_at = c.fires_at,
        first_due = NULL, grace = NULL, held = false, policy = c.policy, policy_version = c.policy_version,
        at_lapse = c.at_lapse, seller_id = c.seller_id,
        -- What could not be read is a doubt whatever the clock.
        doubt = CASE o.doubt WHEN 'unreadable-evidence' THEN o.doubt ELSE c.doubt END
    FROM clocks c WHERE o.order_id = c.order_id AND o.lane = $1
    RETURNING o.lane, o.fires_at, o.order_id
), disarmed AS (
    DELETE FROM deadlines d USING clocks c
    WHERE d.lane = $1 AND d.fires_at = c.fired_at AND d.order_id = c.order_id
        AND c.fired_at IS DISTINCT FROM c.fires_at
    RETURNING 1
), armed AS (
    INSERT INTO deadlines (lane, fires_at, order_id)
    SELECT lane, fires_at, order_id FROM set WHERE fires_at IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING fires_at
)
SELECT (SELECT count(*) FROM disarmed) AS disarmed, count(*) AS armed,
    min(fires_at) AS first_fires_at
FROM armed
