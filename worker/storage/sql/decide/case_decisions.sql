SELECT order_id, ordinal, id, kind, reason, revokes, sequence, decided_at,
    (value::jsonb ->> 'due')::timestamptz AS due, value::jsonb #>> '{evidence,read_to}' AS read_to
FROM decisions
WHERE order_id = ANY ($1::text[]) AND kind <> 'deadline-reminder' ORDER BY order_id, ordinal
