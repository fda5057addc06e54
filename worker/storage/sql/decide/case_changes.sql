-- Changes that count, and new ones that no sweep has judged yet, at most $2 of each order. The others
-- came too late. An order that has as many or more is abridged: abridged_changes.sql.
SELECT c.* FROM unnest($1::text::text[]) AS named (order_id)
CROSS JOIN LATERAL (
    SELECT order_id, kind, occurred_at, received_at, due, topic, partition, "offset",
        counted IS NOT NULL AS counted
    FROM deadline_changes
    WHERE deadline_changes.order_id = named.order_id AND counted IS NOT FALSE LIMIT $2
) AS c
