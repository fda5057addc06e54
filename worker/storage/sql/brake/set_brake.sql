UPDATE brake
SET released_until = statement_timestamp() + CASE WHEN $1 = 'release' THEN $2::interval END,
    escalate_until = statement_timestamp() + CASE WHEN $1 = 'escalate' THEN $2::interval END,
    tripped_at = CASE WHEN $1 <> 'reset' THEN tripped_at END,
    set_by = $3, set_at = statement_timestamp()
