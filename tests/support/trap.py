"""A fault of our own on one order, which the database stands in for."""

import asyncpg


async def set_trap(database: str, order: str = "bad") -> None:
    """Break a constraint with each record of this order, which only a fault of ours could do."""
    await _execute(
        database,
        "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '23514'; END $$;"
        "CREATE TRIGGER trap BEFORE INSERT ON acts FOR EACH ROW "
        f"WHEN (NEW.order_id = '{order}') EXECUTE FUNCTION trap()",
    )


async def remove_trap(database: str) -> None:
    """Repair the fault."""
    await _execute(database, "DROP TRIGGER trap ON acts")


async def _execute(database: str, statement: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
