DELETE FROM reminders WHERE lane = $1 AND (remind_at, order_id) IN (
    SELECT * FROM unnest($2::timestamptz[], $3::text[]))
