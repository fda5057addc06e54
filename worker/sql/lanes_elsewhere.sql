-- Lanes with rows here, of those that the settings place elsewhere.
SELECT lane FROM (SELECT lane FROM lanes UNION SELECT partition FROM positions) AS here
WHERE $1::text::int4multirange @> lane ORDER BY lane
