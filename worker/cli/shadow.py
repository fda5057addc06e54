"""``plazo shadow report``: what shadow mode would have done, beside what happened."""

from datetime import timedelta

from worker.cli.context import finish, open_store
from worker.cli.output import console, print_json, table
from worker.domain.acts import HANDLING
from worker.settings import Settings


def report(settings: Settings, since: timedelta, *, as_json: bool) -> None:
    """Count decided orders by verdict and by what their acts say, with some of each.

    Raises:
        DatabaseUnavailable, SchemaNotCurrent
    """

    async def work() -> list[dict[str, object]]:
        async with open_store(settings) as store:
            begin = await store.now() - since
            rows = await store.rows("shadow_report", begin, sorted(HANDLING))
        return [dict(row) for row in rows]

    rows = finish(settings, work())
    if as_json:
        print_json(rows)
        return
    heads = ("would be", "what happened", "orders", "such as")
    shown = ((r["outcome"], r["happened"], r["orders"], " ".join(r["examples"])) for r in rows)  # type: ignore[arg-type]
    console().print(table("Verdicts and what happened", heads, shown))
