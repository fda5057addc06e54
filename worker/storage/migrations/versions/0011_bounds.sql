-- The first and the last act of each kind are found without reading those between. The expression is
-- that of abridged_acts.sql. Where `acts` is large, create this index beforehand by hand, with
-- CONCURRENTLY: here it holds up writing.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX IF NOT EXISTS acts_by_kind ON acts (order_id, status,
    (coalesce(stock_ok::int, 2) * 3 + coalesce(form_complete::int, 2)), occurred_at);
-- The index above begins alike and serves the version before this one as well.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX acts_by_order;
-- Of the few acts that are changes of deadlines: by their place, whatever else their order has.
-- Few rows match this one and the next three, and a step waits two seconds for its locks at most.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX acts_of_changes ON acts (topic, partition, "offset")
WHERE status IN ('order.deadline-extended', 'order.deadline-held', 'order.deadline-released');
-- The extension with the latest due, the latest hold and release, and those that no sweep has judged yet.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX deadline_changes_in_force ON deadline_changes (order_id, counted, kind, due, occurred_at)
WHERE counted IS NOT FALSE;
-- Whether the verdict is on hold by an event: for a count that reads no other order.
ALTER TABLE orders ADD COLUMN held boolean NOT NULL DEFAULT false;
UPDATE orders SET held = true WHERE lane IS NOT NULL AND finding IS NULL AND order_id IN (
    SELECT order_id FROM (
        SELECT DISTINCT ON (order_id) order_id, kind FROM deadline_changes
        WHERE kind <> 'order.deadline-extended' AND counted
        ORDER BY order_id, occurred_at DESC, kind
    ) AS latest WHERE kind = 'order.deadline-held'
);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX orders_on_hold ON orders (order_id) WHERE held;
-- Stubs, and orders that wait for their clock. No verdict changes a column of this index.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX orders_without_deadline ON orders (lane, order_id) WHERE due IS NULL;
-- A notice that must wait: its order could not be judged, or the brake holds its correction.
ALTER TABLE notices ADD COLUMN retry_at timestamptz;
-- Since when the brake holds everything: set when a limit was exceeded, until a person resets it.
ALTER TABLE brake ADD COLUMN tripped_at timestamptz;
-- When the record of the mark was read, by the clock of the database. Its own timestamp is whatever
-- its publisher wrote.
ALTER TABLE positions ADD COLUMN last_read_at timestamptz;
