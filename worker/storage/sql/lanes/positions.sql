SELECT topic, partition, next_offset, last_timestamp, covered_since FROM positions
