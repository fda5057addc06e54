-- Orders of these lanes that wait for their clock, and stubs of any lane: acts came, and no order
-- yet. Bounded, as in count_overdue.sql.
SELECT (SELECT count(*)::int FROM (
    SELECT FROM orders WHERE due IS NULL AND lane = ANY ($1::int[]) LIMIT 10000
) AS waiting) AS waiting, (SELECT count(*)::int FROM (
    SELECT FROM orders WHERE due IS NULL AND lane IS NULL LIMIT 10000
) AS stubs) AS stubs
