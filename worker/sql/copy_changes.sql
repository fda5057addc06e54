-- Changes that came to another database, beside their order: what becomes of them is written in the
-- transaction that moves its deadline, or refuses to.
INSERT INTO deadline_changes (order_id, kind, occurred_at, received_at, due, author, reason, topic,
    partition, "offset", body)
SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[],
    $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::int[], $10::bigint[], $11::text[])
ON CONFLICT DO NOTHING
