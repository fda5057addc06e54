"""Postgres: the pool, transactions, statements, migrations. Only this package imports asyncpg."""
