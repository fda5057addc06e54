-- Rather look again for a frozen owner than wait for its lock.
SET LOCAL lock_timeout = '2s'
