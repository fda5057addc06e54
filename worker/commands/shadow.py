"""``plazo shadow report``: what shadow mode would have done, beside what happened."""

from collections import defaultdict
from datetime import datetime, timedelta

from worker.commands.output import console, print_json, table
from worker.commands.parts import finish, open_databases
from worker.databases import Databases
from worker.domain.acts import HANDLING
from worker.settings import Settings
from worker.store import columns


def report(settings: Settings, since: timedelta, *, as_json: bool) -> None:
    """Count decided orders by verdict and by what their acts say, with some of each.

    Raises:
        DatabaseUnavailable, SchemaNotCurrent
    """

    async def work() -> list[dict[str, object]]:
        async with open_databases(settings) as databases:
            begin = await databases.now() - since
            if databases.several:
                return await _together(databases, begin)
            rows = await databases.rows("shadow_report", begin, sorted(HANDLING))
        return [dict(row) for row in rows]

    rows = finish(settings, work())
    if as_json:
        print_json(rows)
        return
    heads = ("would be", "what happened", "orders", "such as")
    shown = ((r["outcome"], r["happened"], r["orders"], " ".join(r["examples"])) for r in rows)  # type: ignore[arg-type]
    console().print(table("Verdicts and what happened", heads, shown))


# By what acts say, the first that is said: as sql/shadow_report.sql has it.
_HAPPENED = {
    "cancelled": "cancelled by somebody",
    "handled_in_time": "handled in time",
    "handled": "handled late",
    "disputed": "disputed",
}
_AT_ONCE = 10_000


async def _together(databases: Databases, begin: datetime) -> list[dict[str, object]]:
    """The report over several databases: an order's acts may stand in any."""
    orders = await databases.rows("shadow_orders", begin)
    told: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for start in range(0, len(orders), _AT_ONCE):
        page = orders[start : start + _AT_ONCE]
        decided = columns([(row["order_id"], row["due"]) for row in page])
        said: defaultdict[str, set[str]] = defaultdict(set)
        for row in await databases.rows("shadow_acts", *decided, sorted(HANDLING)):
            said[row["order_id"]].update(name for name in _HAPPENED if row[name])
        for row in page:
            heard = said[row["order_id"]]
            happened = next((_HAPPENED[one] for one in _HAPPENED if one in heard), "nothing heard")
            told[row["outcome"], happened].append(row["order_id"])
    found = sorted(told.items(), key=lambda one: (one[0][0], -len(one[1])))
    return [
        {"outcome": outcome, "happened": happened, "orders": len(ids), "examples": sorted(ids)[:5]}
        for (outcome, happened), ids in found
    ]
