-- Those of these orders whose policy has reminders, and that are open.
SELECT o.order_id, o.due, o.policy, o.policy_version, p.reminders
FROM orders o JOIN policies p ON p.name = o.policy AND p.version = o.policy_version
WHERE o.order_id = ANY ($1::text[]) AND o.lane = $2 AND o.finding IS NULL AND o.due IS NOT NULL
    AND p.reminders <> '{}'
