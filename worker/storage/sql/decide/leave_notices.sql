-- Of our own lane, for orders whose new changes are more than one sweep takes.
INSERT INTO notices (lane, order_id) SELECT $1::int, unnest($2::text[])
