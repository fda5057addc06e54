-- How much evidence an order has: its acts of these statuses, and the changes that were not refused.
SELECT (SELECT count(*)::int FROM acts WHERE order_id = $1 AND status = ANY ($2::text[])) AS acts,
    (SELECT count(*)::int FROM deadline_changes WHERE order_id = $1 AND counted IS NOT FALSE)
        AS changes
