DELETE FROM deadlines WHERE lane = $1 AND (fires_at, order_id) IN (
    SELECT * FROM unnest($2::timestamptz[], $3::text[]))
