UPDATE deadline_changes c SET counted = w.counted
FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::boolean[])
    AS w (order_id, topic, partition, "offset", counted)
WHERE c.order_id = w.order_id AND c.topic = w.topic AND c.partition = w.partition
    AND c."offset" = w."offset"
