SELECT d.*, ARRAY(SELECT order_id FROM shields WHERE dead_letter = d.id ORDER BY order_id) AS shields
FROM dead_letters d WHERE d.id = ANY ($1::bigint[]) ORDER BY d.id
