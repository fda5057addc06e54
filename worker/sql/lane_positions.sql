SELECT topic, partition, next_offset FROM positions WHERE partition = $1 AND topic = ANY ($2::text[])
