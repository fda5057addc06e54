-- Look at these orders again at $2, under a proof like any deadline: is the cancel confirmed?
INSERT INTO deadlines (lane, fires_at, order_id) SELECT $1::int, $2::timestamptz, unnest($3::text[])
