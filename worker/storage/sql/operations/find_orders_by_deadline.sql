-- Undecided orders whose verdict is due before $1, the most urgent first, behind a place ($2, $3): from each
-- lane the first $10, by the primary key of the deadlines. Filters: entry from $4 to $5, seller, policy,
-- reason of a decision in force, whether a person has to see to it, and whether it is overdue ($11): one
-- that is on hold is not.
SELECT found.order_id, found.place
FROM lanes l CROSS JOIN LATERAL (
    SELECT o.order_id, d.fires_at AS place FROM deadlines d JOIN orders o USING (order_id)
    WHERE d.lane = l.lane AND d.fires_at <= $1 AND (d.fires_at, d.order_id) > ($2, $3)
        AND o.finding IS NULL AND NOT ($11 AND o.held)
        AND ($4::timestamptz IS NULL OR o.entered_at >= $4)
        AND ($5::timestamptz IS NULL OR o.entered_at < $5)
        AND ($6::text IS NULL OR o.seller_id = $6)
        AND ($7::text IS NULL OR o.policy = $7)
        AND ($8::text IS NULL OR EXISTS (SELECT FROM decisions e
            WHERE e.order_id = o.order_id AND e.reason = $8 AND e.revokes IS NULL
                AND NOT EXISTS (SELECT FROM decisions r
                    WHERE r.order_id = e.order_id AND r.revokes = e.ordinal)))
        AND (NOT $9 OR o.held OR EXISTS (SELECT FROM shields s WHERE s.order_id = o.order_id))
    ORDER BY d.fires_at, d.order_id LIMIT $10
) AS found
ORDER BY found.place, found.order_id LIMIT $10
