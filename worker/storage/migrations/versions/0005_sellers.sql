-- The sellers' scorecard: orders of a seller that entered on a day (UTC), and how they ended.
CREATE VIEW seller_days AS
SELECT o.seller_id, (o.entered_at AT TIME ZONE 'UTC')::date AS day, count(*) AS orders,
    count(*) FILTER (WHERE o.finding = 'validated') AS validated_in_time,
    count(*) FILTER (WHERE o.finding LIKE 'cancelled%') AS cancelled_in_time,
    count(*) FILTER (WHERE o.outcome = 'auto_cancelled') AS auto_cancelled,
    count(*) FILTER (WHERE o.outcome = 'escalated') AS escalated,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY v.took) AS median_to_validate,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY v.took) AS p95_to_validate
FROM orders o LEFT JOIN LATERAL (
    -- From the entry to the first act that counts as start-handling, in time.
    SELECT min(a.occurred_at) - o.entered_at AS took FROM acts a
    WHERE a.order_id = o.order_id AND a.occurred_at <= o.due AND a.status IN
        ('start-handling', 'handling', 'ready-for-invoicing', 'invoice', 'invoiced')
) v ON true
WHERE o.lane IS NOT NULL
GROUP BY o.seller_id, day
