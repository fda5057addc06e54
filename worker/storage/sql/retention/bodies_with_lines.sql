-- The next $4 acts of an order that may hold lines, behind a place: locked, so that their places in the
-- table stay.
SELECT ctid::text AS row, topic, partition, "offset", status, body FROM acts
WHERE order_id = $1 AND body <> '{}' AND length(body) < 100000
    AND (topic, partition, "offset", status) > ($2, $3, $5, $6)
ORDER BY topic, partition, "offset", status LIMIT $4
FOR UPDATE
