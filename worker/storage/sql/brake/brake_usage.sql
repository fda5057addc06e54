-- First the sum of all sellers, then of each seller in $2, over the $1 before the second $3 and the
-- second in which they began. $3 is what the sweep counts by: a clock read anew is later by all that
-- lies between the two statements. A worker of before 2026-11-28 counts by seller alone, in one row
-- for both sums.
SELECT NULL AS seller_id, coalesce(sum(lapsed), 0)::int AS lapsed,
    coalesce(sum(cancels), 0)::int AS cancels
FROM brake_counts
WHERE counted_at > $3::timestamptz - $1::interval - interval '1 second' AND lane >= 0
UNION ALL
SELECT seller_id, sum(lapsed)::int, sum(cancels)::int
FROM brake_counts
WHERE counted_at > $3::timestamptz - $1::interval - interval '1 second'
    AND seller_id = ANY ($2::text[])
GROUP BY seller_id ORDER BY seller_id NULLS FIRST
