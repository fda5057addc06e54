-- $2: the replayed record has been read, or a person says that it does not matter. A verdict reads
-- acts and shields in one snapshot, so a verdict without the shield sees the act.
--
-- Otherwise a shield is deleted only where no verdict can rest on a proof older than the replay:
-- the order is decided, or its deadline fires after this statement began, which is after the record was
-- published again, and so is proven later.
DELETE FROM shields s
WHERE s.dead_letter = ANY ($1::bigint[]) AND ($2 OR EXISTS (
    SELECT FROM orders o WHERE o.order_id = s.order_id AND o.lane IS NOT NULL
        AND (o.finding IS NOT NULL OR o.fires_at > statement_timestamp())))
