-- Without a session its successor may have the name at once.
UPDATE workers SET pid = NULL WHERE name = $1 AND owner = $2
