DELETE FROM dead_letters WHERE id IN (
    SELECT id FROM dead_letters WHERE published AND settled_at < $1 ORDER BY id LIMIT $2)
