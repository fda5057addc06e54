-- Where sellers have a limit. These are parts of a sum that count_lapses.sql counts: no lane has
-- the number -1.
INSERT INTO brake_counts (counted_at, lane, seller_id, lapsed, cancels)
SELECT $1::timestamptz, -1, * FROM unnest($2::text[], $3::int[], $4::int[])
