SELECT sequence, order_id, ordinal, id, kind, reason, revokes, decided_at, value FROM decisions
WHERE lane = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
