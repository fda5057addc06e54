-- Refused acts that name no known order and are not settled, newest first.
SELECT d.id, d.lane, d."timestamp", d.received_at, d.error, d.message,
    format('%s/%s/%s', d.topic, d.partition, d."offset") AS place,
    ARRAY(SELECT order_id FROM shields WHERE dead_letter = d.id ORDER BY order_id) AS names,
    count(*) OVER () AS matching
FROM dead_letters d WHERE d.astray
ORDER BY d."timestamp" DESC, d.id DESC LIMIT $1
