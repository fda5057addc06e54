SELECT min(fires_at) FROM deadlines WHERE lane = $1
