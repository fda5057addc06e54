-- A record that is read again after its position was set back is there already, counted or not.
INSERT INTO deadline_changes (order_id, kind, occurred_at, received_at, due, author, reason, topic,
    partition, "offset")
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT DO NOTHING
