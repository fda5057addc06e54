-- One row a second, of all sellers and lanes: else each sweep would sum the rows of all sweeps in
-- the window. The transaction holds the lock of the brake, so no other one counts.
WITH gone AS (
    DELETE FROM brake_counts WHERE counted_at = $1 AND seller_id = '' RETURNING lapsed, cancels
)
INSERT INTO brake_counts (counted_at, lane, seller_id, lapsed, cancels)
SELECT $1::timestamptz, $2::int, '', $3::int + coalesce(sum(lapsed), 0),
    $4::int + coalesce(sum(cancels), 0)
FROM gone
