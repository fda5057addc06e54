UPDATE workers SET member_id = NULL, removed_at = $4
WHERE name = $1 AND owner = $2 AND member_id = $3
