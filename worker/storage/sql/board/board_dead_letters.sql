-- Among the latest $1 only: nobody reads a million of them on a board.
SELECT d.id, d.received_at, d.topic, d.partition, d."offset", d.error, d.published,
    EXISTS (SELECT FROM shields s WHERE s.dead_letter = d.id) AS shields,
    count(*) OVER ()::int AS open
FROM (SELECT * FROM dead_letters ORDER BY id DESC LIMIT $1) AS d
WHERE d.settled IS NULL
ORDER BY d.id DESC LIMIT $2
