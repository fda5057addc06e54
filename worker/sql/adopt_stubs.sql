-- Orders whose acts came first: their stubs become orders. Parameters as in enter_orders.sql,
-- without the stubs.
WITH adopted AS (
    UPDATE orders AS o SET
        lane = $1::int, seller_id = a.seller_id, fulfilment = a.fulfilment,
        entered_at = a.entered_at, due = a.due, fires_at = a.fires_at, policy = $5::text,
        at_lapse = $6::text, total = a.total::numeric, currency = a.currency, topic = $2::text,
        partition = $3::int, "offset" = a."offset", received_at = $4::timestamptz
    FROM unnest($7::text[], $8::text[], $9::text[], $10::timestamptz[], $11::timestamptz[],
            $12::timestamptz[], $13::text[], $14::text[], $15::bigint[])
        AS a (order_id, seller_id, fulfilment, entered_at, due, fires_at, total, currency, "offset")
    WHERE o.order_id = a.order_id
    RETURNING o.lane, o.fires_at, o.order_id
), armed AS (
    INSERT INTO deadlines (lane, fires_at, order_id) SELECT lane, fires_at, order_id FROM adopted
    RETURNING fires_at
)
SELECT count(*) AS entered, min(fires_at) AS first_fires_at FROM armed
