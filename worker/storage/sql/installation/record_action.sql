-- In the transaction of the action itself: both are stored, or neither.
INSERT INTO actions (author, command, arguments) VALUES ($1, $2, $3::text::jsonb)
