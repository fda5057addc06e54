-- The first one stays: the verdict continues the trace of the record that brought the order.
INSERT INTO traces (order_id, traceparent, tracestate)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING
