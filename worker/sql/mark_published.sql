UPDATE lanes SET published = greatest(published, $2) WHERE lane = $1
