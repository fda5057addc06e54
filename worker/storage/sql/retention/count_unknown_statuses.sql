SELECT count(*)::int AS statuses FROM unknown_statuses WHERE last_at < $1
