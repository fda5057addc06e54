-- Repeats are one row, the first, with their number: an order may have a million. Bodies are compared
-- by their digest, so that the sort does not carry them. They are read ($3) only where they are shown.
SELECT status, occurred_at, received_at, topic, partition, "offset", stock_ok, form_complete,
    CASE WHEN $3::boolean THEN (SELECT body FROM acts WHERE ctid = act) END AS body, times
FROM (
    SELECT DISTINCT ON (occurred_at, status, stock_ok, form_complete, digest)
        *, count(*) OVER (PARTITION BY occurred_at, status, stock_ok, form_complete, digest) AS times
    FROM (
        SELECT status, occurred_at, received_at, topic, partition, "offset", stock_ok, form_complete,
            ctid AS act, md5(body) AS digest
        FROM acts WHERE order_id = $1
    ) found
    ORDER BY occurred_at, status, stock_ok, form_complete, digest, received_at, topic, partition, "offset"
    LIMIT $2
) shown
ORDER BY occurred_at, status, stock_ok, form_complete, digest
