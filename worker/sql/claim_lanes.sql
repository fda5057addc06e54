-- Lanes may be sent elsewhere while they have no rows here, and are never called back: a worker
-- whose settings would do so does not know where the others have their rows.
UPDATE installation SET elsewhere = $1::text::int4multirange
WHERE elsewhere <@ $1::text::int4multirange
