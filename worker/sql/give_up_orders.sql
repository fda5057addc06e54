-- Orders that entered here and in another database, which is their home: here they become stubs
-- again, whose acts count there. A stray for each, so that the home looks at what was noticed here.
-- One that was decided here keeps its verdict: sweeps.py never asks for it twice.
WITH given AS (
    UPDATE orders AS o SET lane = NULL, seller_id = NULL, fulfilment = NULL, entered_at = NULL,
        due = NULL, fires_at = NULL, policy = NULL, policy_version = 0, at_lapse = NULL,
        total = NULL, currency = NULL, topic = NULL, partition = NULL, "offset" = NULL,
        first_due = NULL, grace = NULL
    FROM orders AS was
    WHERE o.order_id = ANY ($2::text[]) AND o.lane = $1::int AND o.finding IS NULL
        AND was.order_id = o.order_id
    RETURNING o.order_id, was.fires_at
), strays AS (
    INSERT INTO strays (lane, order_id) SELECT $1::int, order_id FROM given
), disarmed AS (
    DELETE FROM deadlines d USING given g
    WHERE d.lane = $1::int AND d.fires_at = g.fires_at AND d.order_id = g.order_id
    RETURNING 1
)
SELECT (SELECT count(*) FROM given) AS given_up, (SELECT count(*) FROM disarmed) AS disarmed
