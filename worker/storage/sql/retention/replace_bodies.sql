UPDATE acts SET body = r.body
FROM unnest($1::text[], $2::text[]) AS r (place, body)
WHERE acts.ctid = r.place::tid AND acts.body <> r.body
