SELECT has_column_privilege('acts', 'body', 'SELECT') AS may_read
