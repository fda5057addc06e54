INSERT INTO reminders (lane, remind_at, order_id)
SELECT $1, * FROM unnest($2::timestamptz[], $3::text[])
ON CONFLICT DO NOTHING
