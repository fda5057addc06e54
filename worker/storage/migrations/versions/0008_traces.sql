-- Trace contexts of orders, kept only where PLAZO_TRACES is on: a table of its own, so that those who
-- do not trace pay nothing for it.
CREATE TABLE traces (
    order_id text COLLATE "C" PRIMARY KEY,
    traceparent text NOT NULL,
    tracestate text NOT NULL
)
