-- Bodies of acts without lines, $2 at a time. Those that case_lines.sql may read are left to the next step.
UPDATE acts SET body = '{}'
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM acts WHERE order_id = ANY ($1::text[]) AND body <> '{}'
        AND (length(body) >= 100000 OR strpos(body, 'lines') = 0 AND strpos(body, '\u') = 0)
    LIMIT $2
))
