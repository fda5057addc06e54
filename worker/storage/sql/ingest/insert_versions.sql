INSERT INTO order_versions (order_id, seller_id, fulfilment, entered_at, total, currency, topic,
    partition, "offset", received_at)
SELECT order_id, seller_id, fulfilment, entered_at, total::numeric, currency, topic, partition,
    "offset", $10
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[],
        $8::int[], $9::bigint[])
    AS v (order_id, seller_id, fulfilment, entered_at, total, currency, topic, partition, "offset")
ON CONFLICT DO NOTHING
