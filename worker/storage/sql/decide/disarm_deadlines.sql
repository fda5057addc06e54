-- Of a sweep's own snapshot: the deadlines up to the last one that it found due.
DELETE FROM deadlines WHERE lane = $1 AND (fires_at, order_id) <= ($2, $3)
