-- The newest 10,000 dead letters that are not settled, by the source that their publishers name in a
-- header: the most frequent first. A source is shown as bytes are: it may be no text.
SELECT source, topic, error, count(*)::int AS records, min(received_at) AS first_at,
    max(received_at) AS last_at, max(id) AS newest
FROM (
    SELECT id, topic, error, received_at,
        encode(substr(header_values[array_position(header_names, convert_to('ce_source', 'UTF8'))],
            1, 200), 'escape') AS source
    FROM dead_letters WHERE settled IS NULL ORDER BY id DESC LIMIT 10000
) AS newest
GROUP BY source, topic, error ORDER BY records DESC, source, topic, error LIMIT $1
