"""What the limits and the peers write: each event as it came, and the state of its order."""

SCHEMA = """
CREATE TABLE bench_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id text NOT NULL,
    status text NOT NULL,
    occurred_at timestamptz NOT NULL,
    body text NOT NULL
);
CREATE TABLE bench_orders (
    order_id text PRIMARY KEY,
    seller_id text,
    status text NOT NULL,
    updated_at timestamptz NOT NULL
);
"""

EVENT_COLUMNS = ("order_id", "status", "occurred_at", "body")

INSERT_EVENT = """
INSERT INTO bench_events (order_id, status, occurred_at, body) VALUES ($1, $2, $3, $4)
"""

_ON_CONFLICT = """
ON CONFLICT (order_id) DO UPDATE SET status = EXCLUDED.status, updated_at = EXCLUDED.updated_at,
    seller_id = coalesce(bench_orders.seller_id, EXCLUDED.seller_id)
"""

UPSERT_ORDER = (
    "INSERT INTO bench_orders (order_id, seller_id, status, updated_at) VALUES ($1, $2, $3, $4)"
    + _ON_CONFLICT
)

UPSERT_ORDERS = (
    """
INSERT INTO bench_orders (order_id, seller_id, status, updated_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
"""
    + _ON_CONFLICT
)

PROGRESS = "SELECT coalesce(max(id), 0) FROM bench_events"

# What the peers that only wait for deadlines use: they look at an order once, and write a verdict.
LAPSE_SCHEMA = """
CREATE TABLE bench_verdicts (
    order_id text PRIMARY KEY,
    due timestamptz NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE bench_scheduled (at timestamptz NOT NULL DEFAULT clock_timestamp());
"""

# Every tenth order is handled in time.
HOLD_ORDERS = """
INSERT INTO bench_orders (order_id, seller_id, status, updated_at)
SELECT lpad(n::text, 12, '0') || '-01', 'seller-' || n % 5000,
    CASE n % 10 WHEN 0 THEN 'start-handling' ELSE 'order-created' END, now()
FROM generate_series(1, $1::int) AS n
"""

ENTER = """
INSERT INTO bench_orders (order_id, seller_id, status, updated_at) VALUES ($1, $2, $3, now())
"""

SCHEDULED = "INSERT INTO bench_scheduled DEFAULT VALUES"

DECIDE = """
INSERT INTO bench_verdicts (order_id, due)
SELECT order_id, to_timestamp($2) FROM bench_orders
WHERE order_id = $1 AND status = 'order-created'
ON CONFLICT DO NOTHING
"""
