-- The first record that brought an order is the one that its verdict follows from.
INSERT INTO traces (order_id, traceparent, tracestate)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING
