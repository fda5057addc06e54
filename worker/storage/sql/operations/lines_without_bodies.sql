-- As case_lines.sql, by the function of grants.sql: its rows hold SKUs and quantities in place of the body.
SELECT order_id, status, occurred_at, topic, partition, "offset", body
FROM plazo_lines($1::text[], $2::text[]) ORDER BY order_id, occurred_at
