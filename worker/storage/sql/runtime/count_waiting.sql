-- Orders of these lanes that wait for their clock, and stubs of any lane: acts came, and no order
-- yet. Of these, the orphans are an hour old. Bounded, as in count_overdue.sql.
SELECT (SELECT count(*)::int FROM (
    SELECT FROM orders WHERE due IS NULL AND lane = ANY ($1::int[]) LIMIT 10000
) AS waiting) AS waiting, stubs, orphans
FROM (
    SELECT count(*)::int AS stubs,
        count(*) FILTER (WHERE received_at < clock_timestamp() - interval '1 hour')::int AS orphans
    FROM (
        SELECT received_at FROM orders WHERE due IS NULL AND lane IS NULL LIMIT 10000
    ) AS stubs
) AS counted
