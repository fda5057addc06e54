-- What waits for a person, counted. Bounded, as in count_overdue.sql.
SELECT
    (SELECT count(*)::int FROM (
        SELECT FROM dead_letters WHERE settled IS NULL LIMIT 10000
    ) AS letters) AS dead_letters,
    (SELECT count(*)::int FROM (
        SELECT FROM orders WHERE held AND finding IS NULL LIMIT 10000
    ) AS held) AS holds,
    (SELECT count(*)::int FROM (
        SELECT FROM orders
        WHERE due IS NULL AND lane IS NULL AND received_at < clock_timestamp() - interval '1 hour'
        LIMIT 10000
    ) AS orphans) AS orphans,
    (SELECT count(*)::int FROM (
        SELECT status FROM unknown_statuses GROUP BY status LIMIT 10000
    ) AS statuses) AS unknown_statuses
