"""``plazo check``: reports faults of the environment, each with its cure."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from worker.cli.context import finish
from worker.cli.options import AsJson
from worker.cli.output import cell, console, print_json, table
from worker.cli.settings import load_settings
from worker.exit_status import ExitStatus

if TYPE_CHECKING:
    from worker.operations.checks.model import Check
    from worker.settings import Settings


def check(as_json: AsJson = False) -> None:
    """Check whether a worker would run, and safely; name the cure of each fault."""
    from worker.operations.checks.model import Status
    from worker.operations.checks.report import checks
    from worker.operations.checks.worker import port_check
    from worker.operations.outages import Outage

    settings = load_settings()
    (kafka, database), registry = finish(settings, _facts(settings))
    results = [
        *checks(settings, kafka, database, registry), finish(settings, port_check(settings))
    ]  # fmt: skip
    if as_json:
        print_json({"checks": [asdict(one) for one in results]})
    else:
        _print(results)
    if isinstance(kafka, Outage) or isinstance(database, Outage):
        raise typer.Exit(ExitStatus.UNAVAILABLE)
    if any(one.status == Status.FAULT for one in results):
        raise typer.Exit(ExitStatus.FAULT)


async def _facts(settings: "Settings") -> Any:
    from worker.operations.facts import gather
    from worker.operations.registry import registry_facts

    return await gather(settings), await registry_facts(settings)


def _print(results: Sequence["Check"]) -> None:
    from worker.operations.checks.model import Status

    styles = {
        Status.OK: "green",
        Status.WARNING: "yellow",
        Status.FAULT: "bold red",
        Status.NOT_MEASURED: "dim",
    }
    rows = [
        (cell(one.status, styles[one.status]), one.name, one.finding, one.cure) for one in results
    ]
    console().print(table("", ("status", "check", "finding", "what to do"), rows))
    faults = sum(one.status == Status.FAULT for one in results)
    warnings = sum(one.status == Status.WARNING for one in results)
    console().print(f"{len(results)} checks: faults {faults}, warnings {warnings}")
