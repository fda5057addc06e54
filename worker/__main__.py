"""``plazo``: the command line.

Exit status: 0 done; 1 a check failed or a promise was broken; 2 wrong use or settings; 3 the
database's schema is not current; 4 Kafka or Postgres cannot be reached.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from worker import __version__
from worker.errors import (
    DatabaseFault,
    KafkaUnavailable,
    ModeConflict,
    PlazoError,
    PolicyConflict,
    PolicyInvalid,
    PublishFailed,
    SchemaNotCurrent,
    SeveralDatabases,
)
from worker.records import RefusalClass
from worker.settings import Settings

app = typer.Typer(
    name="plazo",
    help="Decides every lapsed stock-validation deadline exactly once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        # All faults at once, and no value: one of them may be a password.
        for fault in error.errors(include_input=False, include_url=False, include_context=False):
            name = "_".join(str(part) for part in fault["loc"]) or "settings"
            typer.echo(f"PLAZO_{name.upper()}: {fault['msg']}", err=True)
        raise typer.Exit(2) from None


@app.command()
def run() -> None:
    """Run the worker."""
    from worker.cli.run import run as command

    command(_settings())


_By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who does it; by default the user.")
]


@app.command()
def migrate(by: _By = None) -> None:
    """Bring the database's schema up to date; safe to run beside workers and more than once."""
    from worker.cli.migrate import migrate as command

    command(_settings(), by=by)


@app.command()
def dev(
    lasting: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="End after 60s, 2m, PT1M; else on Ctrl-C."),
    ] = None,
    window: Annotated[
        str | None, typer.Option(metavar="TIME", help="The stock window; by default a minute.")
    ] = None,
    rate: Annotated[float, typer.Option(min=0.1, max=500, help="Orders a second.")] = 20.0,
    events: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help="Recorded events instead of the marketplace."),
    ] = None,
) -> None:
    """Run the worker with an embedded Postgres, broker and sample marketplace."""
    from worker.cli.dev import dev as command

    status = command(_settings(), lasting=lasting, window=window, rate=rate, events=events)
    raise typer.Exit(status)


_Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, for programs.")]
_Personal = Annotated[
    bool, typer.Option("--with-personal-data", help="Show records whole, with names and texts.")
]
_Id = Annotated[int, typer.Argument(metavar="ID", min=1, max=2**63 - 1)]
_Ids = Annotated[list[int] | None, typer.Argument(metavar="ID…", min=1, max=2**63 - 1)]


@app.command()
def check(as_json: _Json = False) -> None:
    """Check brokers, topics, publishers, schema, clocks and lanes; say what to do about faults."""
    from worker.cli.check import check as command

    command(_settings(), as_json=as_json)


@app.command()
def lanes(as_json: _Json = False) -> None:
    """Show who reads each lane, its lag, and what it still has to decide."""
    from worker.cli.lanes import lanes as command

    command(_settings(), as_json=as_json)


@app.command()
def explain(
    order: Annotated[str, typer.Argument(metavar="ORDER")],
    personal: _Personal = False,
    as_json: _Json = False,
) -> None:
    """Show an order's acts, deadline and verdicts, and what they rest on."""
    from worker.cli.explain import explain as command

    command(_settings(), order, personal=personal, as_json=as_json)


@app.command()
def forget(
    older_than: Annotated[
        str, typer.Option(metavar="TIME", help="Settled longer ago than 90d, P90D and so on.")
    ],
    pause: Annotated[
        float, typer.Option(min=0, max=60, help="Seconds of rest after each 2,000 orders.")
    ] = 0.1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    by: _By = None,
    as_json: _Json = False,
) -> None:
    """Remove settled orders and refusals after a while; safe to run beside workers, and to stop."""
    from worker.cli.durations import parse_duration
    from worker.cli.forget import forget as command

    time = parse_duration(older_than, "--older-than")
    command(_settings(), time, pause=pause, dry_run=dry_run, by=by, as_json=as_json)


@app.command()
def actions(
    since: Annotated[
        str, typer.Option(metavar="TIME", help="How far back: 7d, PT12H and so on.")
    ] = "30d",
    limit: Annotated[int, typer.Option(min=1, max=1_000_000)] = 50,
    as_json: _Json = False,
) -> None:
    """Show who released the brake, settled dead letters, migrated and so on, newest first."""
    from worker.cli.actions import actions as command
    from worker.cli.durations import parse_duration

    command(_settings(), parse_duration(since, "--since"), limit, as_json=as_json)


@app.command()
def sellers(
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Days back to there: 7d, P30D and so on.")
    ] = "7d",
    seller: Annotated[str | None, typer.Option(metavar="ID", help="Only this one.")] = None,
    as_json: _Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV on stdout.")] = False,
) -> None:
    """Show how sellers keep their deadlines, day by day."""
    from worker.cli.durations import parse_duration
    from worker.cli.sellers import Format
    from worker.cli.sellers import sellers as command

    form = Format.JSON if as_json else Format.CSV if as_csv else Format.TABLE
    command(_settings(), parse_duration(since, "--since"), seller, form)


@app.command()
def replay(
    start: Annotated[
        str,
        typer.Option("--from", metavar="TIME", help="An instant, or how long ago: 7d, PT12H."),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would be read.")
    ] = False,
    by: _By = None,
    as_json: _Json = False,
) -> None:
    """Decide in shadow mode what the logs have asked for since then, and report on it."""
    from worker.cli.durations import parse_start
    from worker.cli.replay import replay as command

    command(_settings(), parse_start(start, "--from"), dry_run=dry_run, by=by, as_json=as_json)


shadow = typer.Typer(no_args_is_help=True, help="Decide without consequences.")
app.add_typer(shadow, name="shadow")


@shadow.command("report")
def shadow_report(
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Decided since: 7d, PT12H and so on.")
    ] = "7d",
    as_json: _Json = False,
) -> None:
    """Compare what would have been decided with what happened to the orders."""
    from worker.cli.durations import parse_duration
    from worker.cli.shadow import report

    report(_settings(), parse_duration(since, "--since"), as_json=as_json)


policy = typer.Typer(no_args_is_help=True, help="The policies that orders get.")
app.add_typer(policy, name="policy")


@policy.command("check")
def policy_check(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", exists=True)] = None,
    as_json: _Json = False,
) -> None:
    """Read a policy file, by default the one in force, and tell all its faults by line."""
    from worker.cli.policy import check as command

    command(_settings(), file, as_json=as_json)


@policy.command("show")
def policy_show(
    order: Annotated[str | None, typer.Option(metavar="ID", help="One that is known.")] = None,
    seller: Annotated[str | None, typer.Option(metavar="ID", help="One that may come.")] = None,
    fulfilment: Annotated[str, typer.Option(metavar="MODE")] = "courier",
    total: Annotated[str | None, typer.Option(metavar="AMOUNT")] = None,
    currency: Annotated[str | None, typer.Option(metavar="CODE")] = None,
    as_json: _Json = False,
) -> None:
    """Say which policy an order gets, and why no other."""
    from worker.cli.policy import facts_of
    from worker.cli.policy import show as command

    if (order is None) == (seller is None):
        raise typer.BadParameter("give either --order or --seller")
    facts = facts_of(seller, fulfilment, total, currency) if seller is not None else None
    command(_settings(), order, facts, as_json=as_json)


contract = typer.Typer(no_args_is_help=True, help="The contract with publishers.")
app.add_typer(contract, name="contract")


@contract.command("check")
def contract_check(
    path: Annotated[Path, typer.Argument(metavar="FILE.jsonl", exists=True, dir_okay=False)],
    as_json: _Json = False,
) -> None:
    """Read recorded events as the worker would, and tell what it would refuse and why."""
    from worker.cli.contract import check as command

    command(_settings(), path, as_json=as_json)


brake = typer.Typer(no_args_is_help=True, help="The brake on mass cancellation.")
app.add_typer(brake, name="brake")

_For = Annotated[
    str, typer.Option("--for", metavar="TIME", help="How long it stays so: 1h, PT30M.")
]


@brake.command("status")
def brake_status(as_json: _Json = False) -> None:
    """Show the limits, what was used of them, what is held, and what a person has set."""
    from worker.cli.brake import status

    status(_settings(), as_json=as_json)


@brake.command("release")
def brake_release(lasting: _For, by: _By = None, as_json: _Json = False) -> None:
    """Let every auto-cancel through for a while: the silence is real."""
    from worker.cli.brake import set_

    set_(_settings(), "release", lasting, by=by, as_json=as_json)


@brake.command("escalate")
def brake_escalate(lasting: _For, by: _By = None, as_json: _Json = False) -> None:
    """Escalate what the brake holds, now and for a while: people decide order by order."""
    from worker.cli.brake import set_

    set_(_settings(), "escalate", lasting, by=by, as_json=as_json)


@brake.command("reset")
def brake_reset(by: _By = None, as_json: _Json = False) -> None:
    """Take back what was set: the limits hold again."""
    from worker.cli.brake import set_

    set_(_settings(), "reset", None, by=by, as_json=as_json)


topics = typer.Typer(no_args_is_help=True, help="The topics.")
app.add_typer(topics, name="topics")


@topics.command("create")
def topics_create(
    partitions: Annotated[
        int | None,
        typer.Option(min=1, help="For new topics; by default as the other input has, or 12."),
    ] = None,
    dead_letter_partitions: Annotated[int, typer.Option(min=1)] = 1,
    replication_factor: Annotated[
        int, typer.Option(min=-1, max=32767, help="-1 is the cluster's default.")
    ] = -1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    by: _By = None,
    as_json: _Json = False,
) -> None:
    """Create the topics that are missing, and widen the one for decisions if it is too narrow."""
    from worker.cli.topics import create as command

    if replication_factor == 0:
        raise typer.BadParameter("-1 or at least 1", param_hint="--replication-factor")
    command(
        _settings(),
        partitions=partitions,
        dead_letter_partitions=dead_letter_partitions,
        replication_factor=replication_factor,
        dry_run=dry_run,
        by=by,
        as_json=as_json,
    )


dead_letters = typer.Typer(no_args_is_help=True, help="Records that could not be read.")
app.add_typer(dead_letters, name="dead-letters")


@dead_letters.command("list")
def dead_letters_list(
    error: Annotated[RefusalClass | None, typer.Option(help="Only this class of error.")] = None,
    settled: Annotated[bool, typer.Option("--all", help="Settled ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000)] = 50,
    as_json: _Json = False,
) -> None:
    """List the newest."""
    from worker.cli.dead_letters import list_ as command

    command(
        _settings(),
        error=error and error.value,
        settled=settled,
        limit=limit,
        as_json=as_json,
    )


@dead_letters.command("show")
def dead_letters_show(number: _Id, personal: _Personal = False, as_json: _Json = False) -> None:
    """Show one."""
    from worker.cli.dead_letters import show as command

    command(_settings(), number, personal=personal, as_json=as_json)


@dead_letters.command("replay")
def dead_letters_replay(
    numbers: _Ids = None,
    error: Annotated[RefusalClass | None, typer.Option(help="All of this class of error.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are not settled.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    by: _By = None,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="For workers to read the records.")
    ] = 10.0,
    as_json: _Json = False,
) -> None:
    """Send records to their topic again, as they came, and settle them."""
    from worker.cli.dead_letters import replay as command

    if bool(numbers) + (error is not None) + everything != 1:
        raise typer.BadParameter("give either IDs, --error or --all")
    command(
        _settings(),
        numbers or [],
        error=error and error.value,
        dry_run=dry_run,
        by=by,
        wait=wait,
        as_json=as_json,
    )


@dead_letters.command("discard")
def dead_letters_discard(
    numbers: _Ids = None,
    error: Annotated[RefusalClass | None, typer.Option(help="All of this class of error.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are not settled.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="They matter to no order: I am sure.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    by: _By = None,
    as_json: _Json = False,
) -> None:
    """Settle records as of no importance. Their orders can be cancelled again."""
    from worker.cli.dead_letters import discard as command

    if bool(numbers) + (error is not None) + everything != 1:
        raise typer.BadParameter("give either IDs, --error or --all")
    if not (yes or dry_run):
        raise typer.BadParameter("an order they name may be cancelled for it: confirm with --yes")
    command(
        _settings(),
        numbers or [],
        error=error and error.value,
        dry_run=dry_run,
        by=by,
        as_json=as_json,
    )


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Plazo runs beside Kafka and Postgres; every setting is a ``PLAZO_…`` variable."""


def main() -> None:
    """Entry point."""
    try:
        app()
    except PlazoError as error:
        part = "Postgres: " if isinstance(error, DatabaseFault) else ""
        typer.echo(f"plazo: {part}{error}", err=True)
        sys.exit(_STATUS.get(type(error), 4 if isinstance(error, DatabaseFault) else 1))


_STATUS: dict[type[PlazoError], int] = {
    PolicyInvalid: 2,
    SeveralDatabases: 2,
    ModeConflict: 3,
    PolicyConflict: 3,
    SchemaNotCurrent: 3,
    KafkaUnavailable: 4,
    PublishFailed: 4,
}


if __name__ == "__main__":
    main()
