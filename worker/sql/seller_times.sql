-- As the view seller_days, with each time that it took to validate, by which the days of several
-- databases are put together.
SELECT o.seller_id, (o.entered_at AT TIME ZONE 'UTC')::date AS day, count(*)::int AS orders,
    count(*) FILTER (WHERE o.finding = 'validated')::int AS validated_in_time,
    count(*) FILTER (WHERE o.finding LIKE 'cancelled%')::int AS cancelled_in_time,
    count(*) FILTER (WHERE o.outcome = 'auto_cancelled')::int AS auto_cancelled,
    count(*) FILTER (WHERE o.outcome = 'escalated')::int AS escalated,
    coalesce(array_agg(v.took) FILTER (WHERE v.took IS NOT NULL), '{}') AS times_to_validate
FROM orders o LEFT JOIN LATERAL (
    SELECT min(a.occurred_at) - o.entered_at AS took FROM acts a
    WHERE a.order_id = o.order_id AND a.occurred_at <= o.due AND a.status IN
        ('start-handling', 'handling', 'ready-for-invoicing', 'invoice', 'invoiced')
) v ON true
WHERE o.lane IS NOT NULL AND (o.entered_at AT TIME ZONE 'UTC')::date
        >= ($1::timestamptz AT TIME ZONE 'UTC')::date
    AND ($2::text IS NULL OR o.seller_id = $2)
GROUP BY o.seller_id, 2
