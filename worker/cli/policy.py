"""``plazo policy``: checks a policy file, and shows the policy that an order gets."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.context import finish, open_database
from worker.cli.options import AsJson
from worker.cli.output import cell, console, fail, fields, print_json, table
from worker.cli.settings import load_settings
from worker.operations.format import utc

if TYPE_CHECKING:
    from worker.domain.policy import Facts, Policies, Policy
    from worker.settings import Settings

app = typer.Typer(name="policy", no_args_is_help=True, help="The policies that orders get.")


@app.command("check")
def check(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", exists=True)] = None,
    as_json: AsJson = False,
) -> None:
    """Check a policy file, by default the one in force, and report all its faults by line."""
    from worker.policy.registry import load_policies

    settings = load_settings()
    if file is not None:
        settings = settings.model_copy(update={"policy_file": file})
    policies = load_policies(settings)
    if as_json:
        print_json([_terms(rule.policy) for rule in policies.rules])
        return
    rows = (
        (rule.policy.name, _window(rule.policy), *_rest(rule.policy)) for rule in policies.rules
    )
    heads = ("policy", "deadline", "clock", "grace", "at lapse")
    console().print(table(f"Version {policies.rules[0].policy.version}", heads, rows))


@app.command("show")
def show(
    order: Annotated[str | None, typer.Option(metavar="ID", help="A known order.")] = None,
    seller: Annotated[
        str | None, typer.Option(metavar="ID", help="The seller of an order that may come.")
    ] = None,
    fulfilment: Annotated[
        str, typer.Option(metavar="MODE", help="With --seller: the mode of the order.")
    ] = "courier",
    total: Annotated[
        str | None, typer.Option(metavar="AMOUNT", help="With --seller: the order's total.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option(metavar="CODE", help="With --seller: the total's currency.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show which policy an order gets, and why no other."""
    from worker.policy.registry import load_policies

    if (order is None) == (seller is None):
        raise typer.BadParameter("give either --order or --seller")
    settings = load_settings()
    facts = _facts(seller, fulfilment, total, currency) if seller is not None else None
    policies = load_policies(settings)
    if facts is not None:
        example = _Order(facts, datetime.now(UTC))
    elif order is not None:
        example = finish(settings, _find(settings, order)) or fail(f"no order {order}")
    if as_json:
        print_json(_document(policies, example))
    else:
        _print(policies, example)


@dataclass(frozen=True)
class _Order:
    """An order to compare with the rules, and the policy that it has, if it has one."""

    facts: "Facts"
    entered_at: datetime
    given: dict[str, Any] | None = None


async def _find(settings: "Settings", order_id: str) -> _Order | None:
    from worker.domain.policy import Facts

    async with open_database(settings) as database, database.session() as session:
        row = await session.row("explain_order", order_id)
        if row is None or row["lane"] is None:
            return None
        terms = [row["policy"] or ""], [row["policy_version"]]
        kept = await session.rows("stored_policies", *terms)
    given = {name: row[name] for name in ("policy", "policy_version", "due", "fires_at")}
    given["terms"] = json.loads(kept[0]["terms"]) if kept else None
    facts = Facts(row["seller_id"], row["fulfilment"], row["total"], row["currency"])
    return _Order(facts, row["entered_at"], given)


def _why(policies: "Policies", facts: "Facts") -> list[tuple[str, str]]:
    """Each rule up to the one that applies, with the obstacle to its use."""
    rules = []
    for rule in policies.rules:
        obstacle = rule.match.refuses(facts)
        rules.append((rule.policy.name, obstacle or "applies"))
        if obstacle is None:
            break
    return rules


def _document(policies: "Policies", one: _Order) -> dict[str, Any]:
    from worker.domain.acts import ORDER_CREATED

    policy = policies.choose(one.facts)
    due = policy.due(one.entered_at) if policy.clock == ORDER_CREATED else None
    rules = [{"policy": name, "result": result} for name, result in _why(policies, one.facts)]
    return {"given": one.given, "now": {**_terms(policy), "due": due, "rules": rules}}


def _print(policies: "Policies", one: _Order) -> None:
    from worker.domain.acts import ORDER_CREATED

    policy = policies.choose(one.facts)
    screen = console()
    if one.given is not None:
        if one.given["due"] is None:
            screen.print(cell("its clock has not started: no policy is fixed to it yet"))
        else:
            name, version = one.given["policy"], one.given["policy_version"]
            due = utc(one.given["due"])
            screen.print(cell(f"fixed to it: {name}, version {version}, due {due} UTC"))
        screen.print(cell("an order that enters now with the same facts would get:", "dim"))
    due = utc(policy.due(one.entered_at)) + " UTC" if policy.clock == ORDER_CREATED else "-"
    shown = [("policy", f"{policy.name}, version {policy.version}"),
             ("deadline", _window(policy)), ("due", due)]  # fmt: skip
    shown += zip(("clock", "grace", "at lapse"), _rest(policy), strict=True)
    screen.print(fields(shown))
    screen.print(table("Why", ("rule", "result"), _why(policies, one.facts)))


def _window(policy: "Policy") -> str:
    where = f" of {policy.calendar.name}" if policy.calendar else ""
    if policy.cut_off:
        until, by = (f"{m // 60:02}:{m % 60:02}" for m in (policy.cut_off.until, policy.cut_off.by))
        return f"orders until {until} by {by}{where}"
    return f"{policy.window}{' working time' if where else ''}{where}"


def _rest(policy: "Policy") -> tuple[str, str, str]:
    return f"starts with {policy.clock}", str(policy.grace), policy.at_lapse.value


def _terms(policy: "Policy") -> dict[str, Any]:
    return {
        "policy": policy.name,
        "policy_version": policy.version,
        "deadline": _window(policy),
        "clock": policy.clock,
        "grace": policy.grace,
        "at_lapse": policy.at_lapse.value,
        "dispute_type": policy.dispute.type,
        "dispute_text": policy.dispute.text,
    }


def _facts(seller: str, fulfilment: str, total: str | None, currency: str | None) -> "Facts":
    """The facts from the options.

    Raises:
        typer.BadParameter: the total is no number.
    """
    from worker.domain.policy import Facts

    facts = Facts(seller, fulfilment, None, currency)
    if total is None:
        return facts
    try:
        return replace(facts, total=Decimal(total))
    except ArithmeticError:
        raise typer.BadParameter("not a number", param_hint="--total") from None
