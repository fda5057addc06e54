-- The schemas of other cells in this database that our role may read.
SELECT n.nspname::text AS cell
FROM pg_class o JOIN pg_namespace n ON n.oid = o.relnamespace
    JOIN pg_attribute a ON a.attrelid = o.oid AND a.attname = 'lane'
CROSS JOIN LATERAL (VALUES (
    to_regclass(format('%I.installation', n.nspname)),
    to_regclass(format('%I.positions', n.nspname)),
    to_regclass(format('%I.alembic_version', n.nspname))
)) AS beside (installation, positions, version)
WHERE o.relname = 'orders' AND o.relkind = 'r' AND n.nspname <> current_schema()
    AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(o.oid, 'SELECT')
    AND has_table_privilege(beside.installation, 'SELECT')
    AND has_table_privilege(beside.positions, 'SELECT')
    AND has_table_privilege(beside.version, 'SELECT')
ORDER BY cell LIMIT 100
