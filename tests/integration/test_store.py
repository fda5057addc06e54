"""What is said to Postgres in another way than the driver's."""

from itertools import product

import asyncpg
import pytest

from worker.store import text_array

MEANING = "\"\\{},' N\n\x01é"


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["NULL", "null", "a", "😀"],
        ["".join(some) for length in (1, 2, 3) for some in product(MEANING, repeat=length)],
    ],
)
async def test_an_array_of_texts_arrives_as_it_was(database: str, texts: list[str]) -> None:
    connection = await asyncpg.connect(database)
    try:
        found = await connection.fetchval("SELECT $1::text::text[]", text_array(texts))
    finally:
        await connection.close()
    assert found == texts
