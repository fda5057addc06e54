-- For the rest of this transaction, the statements mean the tables of the cell $1.
SELECT set_config('search_path', quote_ident($1), true)
