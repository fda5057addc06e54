-- The start of the clock in force, where it is not the order's entry: a clock of its own, or an
-- order that is alive again after it was cancelled.
ALTER TABLE orders ADD COLUMN started_at timestamptz;
-- The reason why silence alone does not cancel the order, such as entered-late; usually NULL.
ALTER TABLE orders ADD COLUMN doubt text;
-- The facts of the order for policies, beside its columns; usually NULL.
ALTER TABLE orders ADD COLUMN labels jsonb, ADD COLUMN told_due timestamptz;
-- Whether no table knew the status when the act was read.
ALTER TABLE acts ADD COLUMN unknown boolean;
-- Few acts match.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX acts_unknown ON acts (order_id, occurred_at) WHERE unknown;
-- Each order-created that tells an order otherwise than its row.
CREATE TABLE order_versions (
    order_id text COLLATE "C" NOT NULL,
    received_at timestamptz NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    seller_id text,
    fulfilment text,
    entered_at timestamptz NOT NULL,
    total numeric,
    currency text,
    labels jsonb,
    told_due timestamptz,
    PRIMARY KEY (order_id, topic, partition, "offset")
);
-- Statuses that no table knows, as they were written, with their first and last place.
-- By partition, so that no lane waits for another.
CREATE TABLE unknown_statuses (
    topic text NOT NULL,
    partition int NOT NULL,
    -- Empty for all others, once a partition has very many.
    status text COLLATE "C" NOT NULL,
    first_offset bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_offset bigint NOT NULL,
    last_at timestamptz NOT NULL,
    records bigint NOT NULL,
    PRIMARY KEY (topic, partition, status)
);
-- A refused status change whose order is not known: it may concern any order of its partition.
ALTER TABLE dead_letters ADD COLUMN astray boolean;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX dead_letters_astray ON dead_letters (lane, "timestamp") WHERE astray;
-- Acts whose order is told in another case: few, as most orders come before their acts.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX stubs_by_lower ON orders (lower(order_id)) WHERE lane IS NULL;
-- When this installation began: the first start of a worker. NULL where it ran before this version.
ALTER TABLE installation ADD COLUMN adopted_at timestamptz;
-- When the topic's log began, though it begins at its first offset: the first record's time, or the
-- time at which it was seen empty. NULL where it reaches back for ever, as it did before.
ALTER TABLE positions ADD COLUMN begins_at timestamptz;
-- Orders that were over before this installation began, and so got no verdict.
ALTER TABLE lanes ADD COLUMN before_adoption bigint NOT NULL DEFAULT 0;
-- The sellers' scorecard, with every status that counts as start-handling. A cancellation that the
-- seller made in time counts as one, though it became known only after our auto-cancel.
CREATE OR REPLACE VIEW seller_days AS
SELECT o.seller_id, (o.entered_at AT TIME ZONE 'UTC')::date AS day, count(*) AS orders,
    count(*) FILTER (WHERE o.finding = 'validated') AS validated_in_time,
    count(*) FILTER (WHERE o.finding LIKE 'cancelled%' OR o.outcome = 'cancelled_by_seller')
        AS cancelled_in_time,
    count(*) FILTER (WHERE o.outcome = 'auto_cancelled') AS auto_cancelled,
    count(*) FILTER (WHERE o.outcome = 'escalated') AS escalated,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY v.took) AS median_to_validate,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY v.took) AS p95_to_validate
FROM orders o LEFT JOIN LATERAL (
    -- From the entry to the first act that counts as start-handling, in time.
    SELECT min(a.occurred_at) - o.entered_at AS took FROM acts a
    WHERE a.order_id = o.order_id AND a.occurred_at <= o.due AND a.status IN (
        'delivered', 'fulfilled', 'handling', 'in-transit', 'invoice',
        'invoice-after-cancellation-deny', 'invoiced', 'invoicing', 'out-for-delivery',
        'partially-delivered', 'partially-fulfilled', 'partially-shipped', 'picked-up',
        'ready-for-invoicing', 'ready-for-shipping', 'shipped', 'shipping', 'start-handling',
        'to-collect', 'verifying-invoice', 'waiting-debit', 'waiting-debit-payment'
    )
) v ON true
WHERE o.lane IS NOT NULL
GROUP BY o.seller_id, day;
