INSERT INTO reminders (lane, remind_at, order_id)
SELECT $1::int, remind_at, order_id
FROM unnest($2::timestamptz[], $3::text[]) AS armed (remind_at, order_id)
ON CONFLICT DO NOTHING
