-- One statement for a new database and for an old one: the table holds one row at most.
WITH before AS (DELETE FROM alembic_version)
INSERT INTO alembic_version (version_num) VALUES ($1)
