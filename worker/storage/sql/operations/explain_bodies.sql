-- The same as explain_acts.sql with the bodies: a repeat has the same. They are compared by their digest,
-- so that the sort does not carry them.
SELECT status, occurred_at, received_at, topic, partition, "offset", stock_ok, form_complete,
    (SELECT body FROM acts WHERE ctid = act) AS body, times
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
