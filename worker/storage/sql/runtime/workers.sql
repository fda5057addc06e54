SELECT name, owner, member_id, absence, incarnation, pid, beat_at, removed_at FROM workers
