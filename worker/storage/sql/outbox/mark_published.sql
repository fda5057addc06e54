INSERT INTO published AS p (lane, sequence) VALUES ($1, $2)
ON CONFLICT (lane) DO UPDATE SET sequence = greatest(p.sequence, EXCLUDED.sequence)
