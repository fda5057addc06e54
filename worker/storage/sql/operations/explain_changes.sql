SELECT kind, occurred_at, received_at, due, author, reason, topic, partition, "offset", counted
FROM deadline_changes WHERE order_id = $1
ORDER BY occurred_at, topic, partition, "offset" LIMIT $2
