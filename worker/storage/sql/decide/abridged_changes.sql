-- Of orders with many changes: the extension with the latest due, and the latest hold and release, of
-- those that count and of the new ones, and at most $3 new ones to be judged. A new extension that would not extend
-- the deadline of the clock, in $2, decides nothing.
SELECT DISTINCT c.* FROM unnest($1::text[], $2::timestamptz[]) AS named (order_id, first_due)
CROSS JOIN LATERAL (
    (SELECT order_id, kind, occurred_at, received_at, due, topic, partition, "offset",
        false AS counted
    FROM deadline_changes
    WHERE deadline_changes.order_id = named.order_id AND counted IS NOT FALSE AND counted IS NULL
    LIMIT $3)
    UNION ALL
    (SELECT latest.*
    FROM unnest(ARRAY['order.deadline-extended', 'order.deadline-held', 'order.deadline-released'])
        AS k (kind)
    CROSS JOIN LATERAL (
        (SELECT order_id, kind, occurred_at, received_at, due, topic, partition, "offset",
            false AS counted
        FROM deadline_changes
        WHERE deadline_changes.order_id = named.order_id AND deadline_changes.kind = k.kind
            AND counted IS NOT FALSE AND counted IS NULL AND (due IS NULL OR due > first_due)
        ORDER BY due DESC, occurred_at DESC LIMIT 1)
        UNION ALL
        (SELECT order_id, kind, occurred_at, received_at, due, topic, partition, "offset",
            true AS counted
        FROM deadline_changes
        WHERE deadline_changes.order_id = named.order_id AND deadline_changes.kind = k.kind
            AND counted IS NOT FALSE AND counted
        ORDER BY due DESC, occurred_at DESC LIMIT 1)
    ) AS latest)
) AS c
