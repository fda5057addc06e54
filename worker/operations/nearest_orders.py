"""Known orders whose ids are spelt almost like one that nobody knows."""

import difflib
import itertools

from worker.storage.database import Database

# 1,024 spellings: as many look-ups by the key.
_MOST_LETTERS = 10


async def nearest(database: Database, order_id: str) -> list[str]:
    """Known ids that are spelt almost like this one: capitals and blanks first, then neighbours.

    Raises:
        DatabaseUnavailable: try again later.
    """
    rows = await database.rows("nearest_orders", _spellings(order_id), order_id)
    known = [row["order_id"] for row in rows if row["order_id"] != order_id]
    plain = order_id.strip().casefold()
    alike = [one for one in known if one.strip().casefold() == plain]
    close = difflib.get_close_matches(order_id, [o for o in known if o not in alike], 3, 0.85)
    return [*alike, *close][:5]


def _spellings(order_id: str) -> list[str]:
    """The id with each letter in either case, if there are few letters."""
    plain = order_id.strip()
    both = [sorted({one.lower(), one.upper()}) for one in plain]
    if sum(len(one) > 1 for one in both) > _MOST_LETTERS:
        return [plain, plain.lower(), plain.upper()]
    return [plain, *map("".join, itertools.product(*both))]
