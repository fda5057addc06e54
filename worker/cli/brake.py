"""``plazo brake``: what the brake holds, and what a person says of it."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from worker.cli.context import finish, open_store, record, who
from worker.cli.durations import parse_duration
from worker.cli.output import console, fields, print_json
from worker.decide.brake import Limits
from worker.settings import Settings


def status(settings: Settings, *, as_json: bool) -> None:
    """Show the brake.

    Raises:
        DatabaseUnavailable, SchemaNotCurrent
    """
    _show(settings, finish(settings, _state(settings)), as_json=as_json)


def set_(
    settings: Settings, what: str, lasting: str | None, *, by: str | None, as_json: bool
) -> None:
    """Release, escalate or reset; the last word counts.

    Raises:
        DatabaseUnavailable, SchemaNotCurrent
        typer.BadParameter: no such duration.
    """
    time = parse_duration(lasting, "--for") if lasting else timedelta(0)
    author = who(by)

    async def work() -> dict[str, Any]:
        async with open_store(settings) as store, store.transaction() as tx:
            await tx.execute("set_brake", what, time, author)
            await record(tx, author, f"brake {what}", **({"for": time} if lasting else {}))
        return await _state(settings)

    _show(settings, finish(settings, work()), as_json=as_json)


async def _state(settings: Settings) -> dict[str, Any]:
    async with open_store(settings) as store:
        now = await store.now()
        async with store.session() as session:
            row = await session.row("brake_state", settings.brake_window)
    assert row is not None
    found = dict(row)
    for name in ("released_until", "escalate_until"):
        if found[name] is not None and found[name] <= now:
            found[name] = None
    return found


def _show(settings: Settings, state: dict[str, Any], *, as_json: bool) -> None:
    limits = Limits.of(settings)
    if as_json:
        print_json({"limits": asdict(limits) if limits else None, **state})
        return
    console().print(
        fields([
            ("limits", _limits(limits) if limits else "none are set: see PLAZO_BRAKE_…"),
            ("lapsed in the window", state["lapsed"]),
            ("auto-cancels among them", state["cancels"]),
            ("released until", state["released_until"]),
            ("escalates until", state["escalate_until"]),
            ("last set by", state["set_by"]),
            ("last set", state["set_at"]),
        ])
    )  # fmt: skip


def _limits(limits: Limits) -> str:
    told = [f"in {limits.window}"]
    if limits.cancels is not None:
        told.append(f"{limits.cancels} auto-cancels")
    if limits.seller_cancels is not None:
        told.append(f"{limits.seller_cancels} of each seller")
    if limits.share < 1:
        told.append(f"{limits.share:.0%} of what lapses, from {limits.least} orders on")
    if limits.silent_feed is not None:
        told.append(f"none while the status feed is silent for {limits.silent_feed}")
    return ", ".join(told)
