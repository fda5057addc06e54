-- Small batches in one statement, because the round trip is most of their cost: inserts new orders,
-- stubs for acts whose order is unknown, and the acts; returns the rows that it inserted, and which
-- of the touched orders existed.
--
-- Sorted, so that two transactions that meet on the same keys wait for each other instead of
-- deadlocking. Existing rows stay as they are: adopt_orders.sql enters those that have no more than
-- a stub.
WITH arriving AS (
    SELECT order_id, seller_id, fulfilment, entered_at, due, fires_at, policy, policy_version,
        at_lapse, doubt, labels::jsonb, told_due, total::numeric, currency, "offset", lane, topic,
        partition, received_at
    FROM unnest($3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
            $8::timestamptz[], $9::text[], $10::int[], $11::text[], $12::text[], $13::text[],
            $14::timestamptz[], $15::text[], $16::text[], $17::bigint[], $18::int[], $19::text[],
            $20::int[], $21::timestamptz[])
        AS a (order_id, seller_id, fulfilment, entered_at, due, fires_at, policy, policy_version,
            at_lapse, doubt, labels, told_due, total, currency, "offset", lane, topic, partition,
            received_at)
    UNION ALL
    SELECT stub, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, NULL, $1::timestamptz
    FROM unnest($2::text[]) AS s (stub)
), entered AS (
    INSERT INTO orders (order_id, seller_id, fulfilment, entered_at, due, fires_at, policy,
        policy_version, at_lapse, doubt, labels, told_due, total, currency, "offset", lane, topic,
        partition, received_at)
    SELECT * FROM arriving ORDER BY order_id COLLATE "C", lane
    ON CONFLICT (order_id) DO NOTHING
    RETURNING lane, fires_at, order_id
), armed AS (
    INSERT INTO deadlines (lane, fires_at, order_id)
    SELECT lane, fires_at, order_id FROM entered WHERE fires_at IS NOT NULL
    RETURNING lane
), counted AS (
    UPDATE lanes AS l SET open_deadlines = open_deadlines + a.number
    FROM (SELECT lane, count(*) AS number FROM armed GROUP BY lane) AS a
    WHERE l.lane = a.lane
), kept AS (
    INSERT INTO acts (order_id, status, occurred_at, received_at, topic, partition, "offset",
        stock_ok, form_complete, unknown, body)
    SELECT * FROM unnest($23::text[], $24::text[], $25::timestamptz[], $26::timestamptz[],
        $27::text[], $28::int[], $29::bigint[], $30::boolean[], $31::boolean[], $32::boolean[],
        $33::text[])
), inserted AS (
    SELECT array_agg(order_id) AS order_ids, array_agg(lane) AS lanes FROM entered
), met AS (
    SELECT array_agg(order_id) AS order_ids, array_agg(lane) AS lanes, array_agg(watched) AS watched
    FROM (
        SELECT order_id, lane,
            finding IS NOT NULL OR due IS NULL OR started_at IS NOT NULL AS watched
        FROM orders WHERE order_id = ANY ($22::text[]) ORDER BY order_id
    ) AS touched
)
SELECT coalesce(inserted.order_ids, '{}') AS entered, coalesce(inserted.lanes, '{}') AS lanes,
    coalesce(met.order_ids, '{}') AS met, coalesce(met.lanes, '{}') AS met_lanes,
    coalesce(met.watched, '{}') AS watched
FROM inserted, met
