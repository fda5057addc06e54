UPDATE lanes SET owner = NULL WHERE lane = $1 AND epoch = $2 AND owner = $3
