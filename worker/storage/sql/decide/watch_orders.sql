-- Look at these orders once more at $2, under a proof like any deadline.
INSERT INTO deadlines (lane, fires_at, order_id) SELECT $1::int, $2::timestamptz, unnest($3::text[])
