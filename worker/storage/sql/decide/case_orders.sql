-- Orders whose clock has started.
SELECT o.order_id, o.seller_id, o.fulfilment, o.entered_at, o.due, o.fires_at,
    o.grace, o.first_due, o.policy, o.policy_version, o.started_at, o.doubt, o.total, o.currency,
    o.labels, o.at_lapse, o.topic, o.partition, o."offset", o.received_at, o.finding, o.decisions,
    p.dispute_type, p.dispute_text, p.reminders
FROM orders o LEFT JOIN policies p ON p.name = o.policy AND p.version = o.policy_version
WHERE o.order_id = ANY ($1::text::text[]) AND o.lane = $2 AND o.due IS NOT NULL
