SELECT count(*) FROM dead_letters WHERE published AND settled_at < $1
