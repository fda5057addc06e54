-- $2: the replayed record has been read, or a person says that it does not matter. A verdict reads
-- acts and shields in one snapshot, so whoever misses the shield sees the act.
--
-- Until then a shield may go only where no verdict can rest on a proof that is older than the
-- replay: the order is decided, or its deadline fires later than now, and so is proven later.
DELETE FROM shields s
WHERE s.dead_letter = ANY ($1::bigint[]) AND ($2 OR EXISTS (
    SELECT FROM orders o WHERE o.order_id = s.order_id AND o.lane IS NOT NULL
        AND (o.finding IS NOT NULL OR o.fires_at > clock_timestamp())))
