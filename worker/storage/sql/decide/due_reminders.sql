SELECT remind_at, order_id FROM reminders
WHERE lane = $1 AND remind_at <= $2 ORDER BY remind_at, order_id LIMIT $3
