-- In the transaction of what it tells of: neither is there without the other.
INSERT INTO actions (author, command, arguments) VALUES ($1, $2, $3::text::jsonb)
