INSERT INTO policies (name, version, dispute_type, dispute_text, terms)
SELECT * FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[])
ON CONFLICT DO NOTHING
