-- What waits for a person: refused records of these lanes that nobody has settled, by an index that
-- holds only those; and, for the worker that speaks for the rest ($2), statuses met within a day that
-- no table knew. Bounded, as in count_overdue.sql.
SELECT (SELECT count(*)::int FROM (
    SELECT FROM dead_letters WHERE settled IS NULL AND lane = ANY ($1::int[]) LIMIT 10000
) AS letters) AS dead_letters,
(SELECT count(DISTINCT status)::int FROM (
    SELECT status FROM unknown_statuses
    WHERE $2::boolean AND last_at > clock_timestamp() - interval '1 day' LIMIT 10000
) AS met) AS unknown_statuses
