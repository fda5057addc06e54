-- The first start of a worker: the installation begins.
INSERT INTO installation (mode, adopted_at) VALUES ($1, statement_timestamp()) ON CONFLICT DO NOTHING
