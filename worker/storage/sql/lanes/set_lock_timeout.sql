-- Short: a take-over looks for a frozen owner again instead of waiting for its lock.
SET LOCAL lock_timeout = '2s'
