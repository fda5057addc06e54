DELETE FROM workers WHERE name = $1 AND owner = $2
