"""Postgres. Nothing outside this package imports asyncpg."""
