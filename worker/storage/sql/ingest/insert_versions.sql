INSERT INTO order_versions (order_id, seller_id, fulfilment, entered_at, labels, told_due, total,
    currency, topic, partition, "offset", received_at)
SELECT order_id, seller_id, fulfilment, entered_at, labels::jsonb, told_due, total::numeric, currency,
    topic, partition, "offset", $12
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::timestamptz[],
        $7::text[], $8::text[], $9::text[], $10::int[], $11::bigint[])
    AS v (order_id, seller_id, fulfilment, entered_at, labels, told_due, total, currency,
        topic, partition, "offset")
ON CONFLICT DO NOTHING
