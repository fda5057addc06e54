-- Orders of these lanes on hold by an event. Bounded, as in count_overdue.sql.
SELECT count(*) AS orders FROM (
    SELECT FROM orders WHERE held AND lane = ANY ($1::int[]) AND finding IS NULL LIMIT 10000
) AS held
