-- The rights that a worker needs and our role lacks: those of the worker in grants.sql. A table that is
-- missing is a fault of the schema.
SELECT current_user AS role, relation, string_agg(privilege, ', ' ORDER BY privilege) AS privileges
FROM (
    SELECT relation, unnest(string_to_array(privileges, ' ')) AS privilege
    FROM (VALUES
        ('lanes', 'SELECT INSERT UPDATE'), ('published', 'SELECT INSERT UPDATE'),
        ('positions', 'SELECT INSERT UPDATE'), ('orders', 'SELECT INSERT UPDATE'),
        ('acts', 'SELECT INSERT'), ('decisions', 'SELECT INSERT'), ('policies', 'SELECT INSERT'),
        ('traces', 'SELECT INSERT'), ('actions', 'SELECT INSERT'),
        ('order_versions', 'SELECT INSERT'), ('unknown_statuses', 'SELECT INSERT UPDATE'),
        ('brake_counts', 'SELECT INSERT DELETE'), ('brake', 'SELECT UPDATE'),
        ('installation', 'SELECT INSERT'), ('outages', 'SELECT INSERT'),
        ('deadline_changes', 'SELECT INSERT'), ('dead_letters', 'SELECT INSERT'),
        ('deadlines', 'SELECT INSERT UPDATE DELETE'), ('reminders', 'SELECT INSERT UPDATE DELETE'),
        ('notices', 'SELECT INSERT UPDATE DELETE'), ('shields', 'SELECT INSERT UPDATE DELETE')
    ) AS needed (relation, privileges)
) AS each
WHERE to_regclass(relation) IS NOT NULL AND NOT has_table_privilege(relation, privilege)
GROUP BY relation
UNION ALL
SELECT current_user, relation, 'UPDATE (' || field || ')'
FROM (VALUES ('installation', 'alive_at'), ('installation', 'adopted_at'),
    ('deadline_changes', 'counted'), ('dead_letters', 'published'), ('dead_letters', 'settled'),
    ('dead_letters', 'astray')) AS needed (relation, field)
WHERE to_regclass(relation) IS NOT NULL AND NOT has_column_privilege(relation, field, 'UPDATE')
ORDER BY relation, privileges
