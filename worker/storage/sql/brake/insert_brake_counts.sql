INSERT INTO brake_counts (counted_at, lane, seller_id, lapsed, cancels)
SELECT statement_timestamp(), $1::int, * FROM unnest($2::text[], $3::int[], $4::int[])
