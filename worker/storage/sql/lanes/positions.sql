SELECT topic, partition, next_offset, covered_since FROM positions
