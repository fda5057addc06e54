INSERT INTO policies (name, version, dispute_type, dispute_text, terms, reminders)
SELECT name, version, type, text, terms, reminders::interval[]
FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[])
    AS p (name, version, type, text, terms, reminders)
ON CONFLICT DO NOTHING
