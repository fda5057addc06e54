-- Orders decided since $1, for a report over several databases.
SELECT order_id, outcome, due FROM orders WHERE decided_at >= $1
