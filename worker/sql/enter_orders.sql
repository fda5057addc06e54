-- New orders and, for acts whose order is not known yet, stubs: in one statement and sorted, so
-- that two lanes that meet on the same keys wait for each other instead of deadlocking. What
-- exists already is left out first: a conflict would lock and so rewrite its row.
WITH arriving AS (
    SELECT * FROM unnest(
        $1::text[], $2::int[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[],
        $7::timestamptz[], $8::text[], $9::text[], $10::numeric[], $11::text[], $12::text[],
        $13::int[], $14::bigint[], $15::timestamptz[]
    ) AS a (order_id, lane, seller_id, fulfilment, entered_at, due, fires_at, policy, at_lapse,
            total, currency, topic, partition, "offset", received_at)
), entered AS (
    INSERT INTO orders AS o (order_id, lane, seller_id, fulfilment, entered_at, due, fires_at,
        policy, at_lapse, total, currency, topic, partition, "offset", received_at)
    SELECT a.* FROM arriving a LEFT JOIN orders known ON known.order_id = a.order_id
    WHERE known.order_id IS NULL OR (known.lane IS NULL AND a.lane IS NOT NULL)
    ORDER BY a.order_id COLLATE "C"
    ON CONFLICT (order_id) DO UPDATE SET
        lane = EXCLUDED.lane, seller_id = EXCLUDED.seller_id, fulfilment = EXCLUDED.fulfilment,
        entered_at = EXCLUDED.entered_at, due = EXCLUDED.due, fires_at = EXCLUDED.fires_at,
        policy = EXCLUDED.policy, at_lapse = EXCLUDED.at_lapse, total = EXCLUDED.total,
        currency = EXCLUDED.currency, topic = EXCLUDED.topic, partition = EXCLUDED.partition,
        "offset" = EXCLUDED."offset", received_at = EXCLUDED.received_at
    WHERE o.lane IS NULL AND EXCLUDED.lane IS NOT NULL
    RETURNING lane, fires_at, order_id
), armed AS (
    INSERT INTO deadlines (lane, fires_at, order_id)
    SELECT lane, fires_at, order_id FROM entered WHERE lane IS NOT NULL
    RETURNING fires_at
)
SELECT count(*) AS entered, min(fires_at) AS first_fires_at FROM armed
