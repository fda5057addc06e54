-- Lists of orders and decisions by time. Rows are appended in the order of time, so that a few kilobytes
-- say which part of a table holds a day; ingestion pays next to nothing. Where the tables are large, create both
-- beforehand by hand, with CONCURRENTLY: here they hold up writing.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX IF NOT EXISTS orders_by_entry ON orders USING brin (entered_at)
WITH (pages_per_range = 32, autosummarize = on);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX IF NOT EXISTS decisions_by_time ON decisions USING brin (decided_at)
WITH (pages_per_range = 32, autosummarize = on);
