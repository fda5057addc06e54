-- Short: a take-over looks for a frozen owner again instead of waiting for its lock, and lanes that
-- share a transaction go apart.
SET LOCAL lock_timeout = '2s'
