-- Enters orders that have a row already: a stub, because their acts came first, or what was salvaged
-- of a refused order-created, whose deadline then gives way. Parameters as in enter_orders.sql,
-- without the stubs.
WITH before AS (
    SELECT o.lane, o.fires_at, o.order_id
    FROM orders o JOIN unnest($5::text[], $10::timestamptz[]) AS a (order_id, fires_at)
        ON o.order_id = a.order_id
    WHERE o.lane IS NOT NULL AND o.fires_at IS DISTINCT FROM a.fires_at
), disarmed AS (
    DELETE FROM deadlines d USING before b
    WHERE d.lane = b.lane AND d.fires_at = b.fires_at AND d.order_id = b.order_id
    RETURNING 1
), adopted AS (
    UPDATE orders AS o SET
        lane = $1::int, seller_id = a.seller_id, fulfilment = a.fulfilment,
        entered_at = a.entered_at, due = a.due, fires_at = a.fires_at, policy = a.policy,
        policy_version = a.policy_version, at_lapse = a.at_lapse, doubt = a.doubt,
        labels = a.labels::jsonb, told_due = a.told_due, total = a.total::numeric,
        currency = a.currency, topic = $2::text, partition = $3::int, "offset" = a."offset",
        received_at = $4::timestamptz, started_at = NULL, first_due = NULL, grace = NULL,
        held = false
    FROM unnest($5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[],
            $10::timestamptz[], $11::text[], $12::int[], $13::text[], $14::text[], $15::text[],
            $16::timestamptz[], $17::text[], $18::text[], $19::bigint[])
        AS a (order_id, seller_id, fulfilment, entered_at, due, fires_at, policy, policy_version,
            at_lapse, doubt, labels, told_due, total, currency, "offset")
    WHERE o.order_id = a.order_id
    RETURNING o.lane, o.fires_at, o.order_id
), armed AS (
    INSERT INTO deadlines (lane, fires_at, order_id)
    SELECT lane, fires_at, order_id FROM adopted WHERE fires_at IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING fires_at
)
SELECT (SELECT count(*) FROM adopted) AS entered,
    count(*) - (SELECT count(*) FROM disarmed) AS armed, min(fires_at) AS first_fires_at
FROM armed
