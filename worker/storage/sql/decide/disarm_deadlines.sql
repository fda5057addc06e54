-- In the sweep's snapshot: all deadlines up to the last one that the sweep found due.
DELETE FROM deadlines WHERE lane = $1 AND (fires_at, order_id) <= ($2, $3)
