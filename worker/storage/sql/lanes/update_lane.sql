UPDATE lanes SET sequence = $2, open_deadlines = $3 WHERE lane = $1
