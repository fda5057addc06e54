-- Orders that fire at $3 or before, and of which the rule looks at little: nothing that says anything
-- is known but their order-created, or, as `handled` says, acts of handling in time beside it. All
-- else that case_orders.sql and the statements beside it could tell is missing. Acts with a status of
-- $4 say nothing, one of $5 says nothing where an order is handled, and $6 are those of handling. The
-- first of $7, `clock`, starts the clock of an order if its policy says so.
-- Each join is one look into an index; for NOT EXISTS the planner may read the other table whole.
SELECT o.order_id, o.seller_id, o.fulfilment, o.entered_at, o.started_at, o.due, o.policy,
    o.policy_version, o.at_lapse, o.doubt, o.topic, o.partition, o."offset", o.received_at,
    NOT said.nothing AS handled, said.clock, said.clock_at
FROM orders o
CROSS JOIN LATERAL (
    SELECT count(*) > 10 AS many,
        coalesce(bool_and(status = ANY ($4::text[])), true) AS nothing,
        bool_or(in_time) AND bool_and(in_time OR starts OR status = ANY ($5::text[])) AS handled,
        min(status) FILTER (WHERE starts) AS clock,
        max(status) FILTER (WHERE starts) AS other_clock,
        min(occurred_at) FILTER (WHERE starts) AS clock_at
    FROM (
        SELECT status, occurred_at, status = ANY ($7::text[]) AS starts,
            status = ANY ($6::text[]) AND stock_ok IS NOT FALSE AND occurred_at <= o.due AS in_time
        FROM acts WHERE acts.order_id = o.order_id AND status NOT IN ('order-created',
            'order.deadline-extended', 'order.deadline-held', 'order.deadline-released')
        LIMIT 11
    ) AS act
) AS said
LEFT JOIN LATERAL (
    SELECT true AS found FROM shields WHERE shields.order_id = o.order_id LIMIT 1
) AS refusal ON true
LEFT JOIN LATERAL (
    SELECT true AS found FROM deadline_changes
    WHERE deadline_changes.order_id = o.order_id AND counted IS NOT FALSE LIMIT 1
) AS change ON true
LEFT JOIN LATERAL (
    SELECT true AS found FROM order_versions WHERE order_versions.order_id = o.order_id LIMIT 1
) AS version ON true
LEFT JOIN LATERAL (
    SELECT true AS found FROM orders AS stubs
    WHERE lower(stubs.order_id) = lower(o.order_id) AND stubs.lane IS NULL LIMIT 1
) AS namesake ON true
WHERE o.order_id = ANY ($1::text::text[]) AND o.lane = $2 AND o.due IS NOT NULL AND o.fires_at <= $3
    AND o.finding IS NULL AND o.decisions = 0 AND NOT said.many
    AND (said.nothing OR (said.handled AND o.first_due IS NULL
        AND said.clock IS NOT DISTINCT FROM said.other_clock))
    AND refusal.found IS NULL AND change.found IS NULL AND version.found IS NULL
    AND namesake.found IS NULL
