-- A small batch in one statement, because the round trip is most of its cost: inserts new orders,
-- stubs for acts whose order is unknown, and the acts; returns which of the touched orders existed.
--
-- Sorted, so that two lanes that meet on the same keys wait for each other instead of deadlocking.
-- Existing rows stay as they are: adopt_orders.sql enters those that have no more than a stub.
WITH arriving AS (
    SELECT order_id, $1::int AS lane, seller_id, fulfilment, entered_at, due, fires_at, policy,
        policy_version, at_lapse, doubt, labels::jsonb, told_due, total::numeric, currency,
        $2::text AS topic, $3::int AS partition, "offset", $4::timestamptz AS received_at
    FROM unnest($6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[],
            $11::timestamptz[], $12::text[], $13::int[], $14::text[], $15::text[], $16::text[],
            $17::timestamptz[], $18::text[], $19::text[], $20::bigint[])
        AS a (order_id, seller_id, fulfilment, entered_at, due, fires_at, policy, policy_version,
            at_lapse, doubt, labels, told_due, total, currency, "offset")
    UNION ALL
    SELECT stub, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, NULL, $4
    FROM unnest($5::text[]) AS s (stub)
), entered AS (
    INSERT INTO orders (order_id, lane, seller_id, fulfilment, entered_at, due, fires_at, policy,
        policy_version, at_lapse, doubt, labels, told_due, total, currency, topic, partition,
        "offset", received_at)
    SELECT * FROM arriving ORDER BY order_id COLLATE "C"
    ON CONFLICT (order_id) DO NOTHING
    RETURNING lane, fires_at, order_id
), armed AS (
    INSERT INTO deadlines (lane, fires_at, order_id)
    SELECT lane, fires_at, order_id FROM entered WHERE fires_at IS NOT NULL
    RETURNING fires_at
), counted AS (
    UPDATE lanes SET open_deadlines = open_deadlines + (SELECT count(*) FROM armed)
    WHERE lane = $1 AND EXISTS (SELECT FROM armed)
), kept AS (
    INSERT INTO acts (order_id, status, occurred_at, received_at, topic, partition, "offset",
        stock_ok, form_complete, unknown, body)
    SELECT * FROM unnest($22::text[], $23::text[], $24::timestamptz[], $25::timestamptz[],
        $26::text[], $27::int[], $28::bigint[], $29::boolean[], $30::boolean[], $31::boolean[],
        $32::text[])
), met AS MATERIALIZED (
    SELECT order_id, lane IS DISTINCT FROM $1 OR finding IS NOT NULL OR due IS NULL
        OR started_at IS NOT NULL AS watched
    FROM orders WHERE order_id = ANY ($21::text[])
)
SELECT (SELECT count(*) FROM entered WHERE lane IS NOT NULL)::int AS entered,
    (SELECT count(*) FROM entered WHERE lane IS NULL)::int AS stubs,
    count(*)::int AS armed, min(fires_at) AS first_fires_at,
    ARRAY(SELECT order_id FROM met ORDER BY order_id) AS met,
    ARRAY(SELECT order_id FROM met WHERE watched ORDER BY order_id) AS watched
FROM armed
