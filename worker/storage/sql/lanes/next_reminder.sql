SELECT min(remind_at) FROM reminders WHERE lane = $1
