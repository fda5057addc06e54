-- Changes that count, and new ones that no sweep has judged yet. The others came too late.
SELECT order_id, kind, occurred_at, received_at, due, topic, partition, "offset",
    counted IS NOT NULL AS counted
FROM deadline_changes WHERE order_id = ANY ($1::text::text[]) AND counted IS NOT FALSE
