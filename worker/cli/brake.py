"""``plazo brake``: shows and sets the brake on mass cancellation."""

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.context import author_of, finish, open_database
from worker.cli.durations import parse_duration
from worker.cli.help import Commands
from worker.cli.options import AsJson, By
from worker.cli.output import console, fields, print_json
from worker.cli.settings import load_settings

if TYPE_CHECKING:
    from worker.settings import Settings

app = Commands(name="brake", no_args_is_help=True, help="The brake on mass cancellation.")

_For = Annotated[
    str, typer.Option("--for", metavar="TIME", help="How long the setting holds: 1h, PT30M.")
]


@app.command("status")
def status(as_json: AsJson = False) -> None:
    """Show the limits, their use, whether they were exceeded, and the setting of a person."""
    settings = load_settings()
    _print(settings, finish(settings, _state(settings)), as_json=as_json)


@app.command("release")
def release(lasting: _For, by: By = None, as_json: AsJson = False) -> None:
    """Let every auto-cancel through for a while: the silence is real."""
    _set("release", lasting, by=by, as_json=as_json)


@app.command("escalate")
def escalate(lasting: _For, by: By = None, as_json: AsJson = False) -> None:
    """Escalate what the brake holds, now and for a while: people decide order by order."""
    _set("escalate", lasting, by=by, as_json=as_json)


@app.command("reset")
def reset(by: By = None, as_json: AsJson = False) -> None:
    """Take back the setting and release a tripped brake: the limits hold again."""
    _set("reset", None, by=by, as_json=as_json)


def _set(setting: str, lasting: str | None, *, by: str | None, as_json: bool) -> None:
    """Release, escalate or reset; the last setting counts."""
    settings = load_settings()
    period = parse_duration(lasting, "--for") if lasting else timedelta(0)
    author = author_of(by)

    async def store() -> dict[str, Any]:
        from worker.operations.actions import record

        async with open_database(settings) as database, database.transaction() as tx:
            await tx.execute("set_brake", setting, period, author)
            await record(tx, author, f"brake {setting}", **({"for": period} if lasting else {}))
        return await _state(settings)

    _print(settings, finish(settings, store()), as_json=as_json)


async def _state(settings: "Settings") -> dict[str, Any]:
    async with open_database(settings) as database:
        now = await database.now()
        async with database.session() as session:
            row = await session.row("brake_state", settings.brake_window)
    assert row is not None
    state = dict(row)
    for name in ("released_until", "escalate_until"):
        if state[name] is not None and state[name] <= now:
            state[name] = None
    return state


def _print(settings: "Settings", state: dict[str, Any], *, as_json: bool) -> None:
    from worker.decide.brake import Limits
    from worker.operations.phrases import limits_in_words

    limits = Limits.of(settings)
    if as_json:
        print_json({"limits": asdict(limits) if limits else None, **state})
        return
    console().print(
        fields([
            ("limits", limits_in_words(limits) if limits else "none are set: see PLAZO_BRAKE_…"),
            ("tripped at", state["tripped_at"]),
            ("lapsed in the window", state["lapsed"]),
            ("auto-cancels among them", state["cancels"]),
            ("released until", state["released_until"]),
            ("escalates until", state["escalate_until"]),
            ("last set by", state["set_by"]),
            ("last set", state["set_at"]),
        ])
    )  # fmt: skip
