SELECT name, version, terms FROM policies
WHERE (name, version) IN (SELECT * FROM unnest($1::text[], $2::int[]))
