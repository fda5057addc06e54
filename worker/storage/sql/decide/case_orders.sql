-- Orders whose clock has started. `retold`: an order-created tells it otherwise. `has_namesake`: acts are
-- known under an id that differs in case only.
SELECT o.order_id, o.seller_id, o.fulfilment, o.entered_at, o.due, o.fires_at,
    o.grace, o.first_due, o.policy, o.policy_version, o.started_at, o.doubt, o.total, o.currency,
    o.labels, o.told_due, o.at_lapse, o.topic, o.partition, o."offset", o.received_at, o.finding, o.decisions,
    p.dispute_type, p.dispute_text, p.reminders,
    EXISTS (SELECT FROM order_versions v WHERE v.order_id = o.order_id) AS retold,
    EXISTS (SELECT FROM orders s
        WHERE lower(s.order_id) = lower(o.order_id) AND s.lane IS NULL) AS has_namesake
FROM orders o LEFT JOIN policies p ON p.name = o.policy AND p.version = o.policy_version
WHERE o.order_id = ANY ($1::text::text[]) AND o.lane = $2 AND o.due IS NOT NULL
