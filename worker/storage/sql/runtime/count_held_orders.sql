-- Orders of these lanes on hold: the latest of their holds and releases is a hold.
SELECT count(*) AS orders FROM (
    SELECT DISTINCT ON (order_id) order_id, kind FROM deadline_changes
    WHERE kind <> 'order.deadline-extended' AND counted IS NOT FALSE
    ORDER BY order_id, occurred_at DESC, kind
) AS latest
JOIN orders o USING (order_id)
WHERE latest.kind = 'order.deadline-held' AND o.lane = ANY ($1::int[]) AND o.finding IS NULL
