"""``plazo policy simulate``: tries a policy file on known orders."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.context import finish, open_database
from worker.cli.durations import parse_start
from worker.cli.options import AsJson
from worker.cli.output import cell, console, print_json, table
from worker.cli.settings import load_settings
from worker.operations.format import count

if TYPE_CHECKING:
    from worker.operations.policy_trial import TrialReport


def simulate(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True)],
    since: Annotated[
        str, typer.Option(metavar="TIME", help="A time, or a duration before now: 7d, PT12H.")
    ] = "7d",
    as_json: AsJson = False,
) -> None:
    """Try a policy file on the orders that entered since then. Nothing is written."""
    from worker.operations.policy_trial import try_policies
    from worker.policy.registry import load_policies

    settings = load_settings()
    began = parse_start(since, "--since")
    before = load_policies(settings)
    tried = load_policies(settings.model_copy(update={"policy_file": file}))

    async def compare() -> "TrialReport":
        async with open_database(settings) as database:
            return await try_policies(database, before, tried, began, await database.now())

    report = finish(settings, compare())
    if as_json:
        print_json(_trial_document(report))
    else:
        _print_trial(report)


def _trial_document(report: "TrialReport") -> dict[str, Any]:
    return {
        "orders": report.orders,
        "left_out": report.left_out,
        "policies": [
            {
                "policy": name,
                "orders": one.orders,
                "other_policy": one.other_policy,
                "earlier_due": one.earlier,
                "later_due": one.later,
                "verdicts": [
                    {"before": before, "after": after, "orders": orders,
                     "examples": one.examples[before, after]}
                    for (before, after), orders in one.verdicts.most_common()
                ],
            }
            for name, one in report.policies.items()
        ],
    }  # fmt: skip


def _print_trial(report: "TrialReport") -> None:
    rows = [
        (name, one.orders, one.other_policy, one.earlier, one.later, one.verdicts.total())
        for name, one in report.policies.items()
    ]
    heads = ("policy", "orders", "from another policy", "due earlier", "due later", "other verdict")
    console().print(table(f"{count(report.orders, 'order')} compared", heads, rows))
    changes = [
        (name, before, after, orders, ", ".join(one.examples[before, after]))
        for name, one in report.policies.items()
        for (before, after), orders in one.verdicts.most_common()
    ]
    if changes:
        names = ("policy", "verdict", "by the file", "orders", "such as")
        console().print(table("Other verdicts", names, changes))
    if report.left_out:
        left_out = count(report.left_out, "order")
        console().print(cell(f"{left_out} left out: opened again, or not readable", "dim"))
