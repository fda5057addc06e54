SELECT topic, partition, next_offset, last_timestamp FROM positions
