"""``plazo policy``: checks a policy file, and shows the policy that an order gets."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.context import finish, open_database
from worker.cli.help import Commands
from worker.cli.options import AsJson
from worker.cli.output import cell, console, fail, fields, print_json, table
from worker.cli.settings import load_settings
from worker.cli.simulate import simulate
from worker.durations import written
from worker.operations.format import utc

if TYPE_CHECKING:
    from worker.domain.policy import Facts, Policies, Policy, Rule
    from worker.settings import Settings

app = Commands(name="policy", no_args_is_help=True, help="The policies that orders get.")


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
    now = datetime.now(UTC)
    if as_json:
        print_json([_terms(rule.policy) | _worked(rule.policy, now) for rule in policies.rules])
        return
    console().print(cell(f"version {policies.rules[0].policy.version}", "bold"))
    for rule in policies.rules:
        _print_rule(rule, now)
    if words := policies.vocabulary.own:
        rows = sorted((word, meaning.value) for word, meaning in words.items())
        console().print(table("Words of the file", ("status", "counts as"), rows))


def _worked(policy: "Policy", now: datetime) -> dict[str, Any]:
    from worker.operations.policies import examples

    return {"examples": [example._asdict() for example in examples(policy, now)]}


def _print_rule(rule: "Rule", now: datetime) -> None:
    from worker.operations.policies import (
        at_lapse_in_words,
        deadline_in_words,
        duration_in_words,
        examples,
        orders_in_words,
    )

    policy = rule.policy
    verdict = at_lapse_in_words(policy)
    shown = [("for", orders_in_words(rule)), ("deadline", deadline_in_words(policy)),
             ("if silent", f"{verdict}, {duration_in_words(policy.grace)} later")]  # fmt: skip
    if policy.reminders:
        working = " of working time" if policy.calendar else ""
        before = ", ".join(map(duration_in_words, policy.reminders))
        shown.append(("reminders", f"{before}{working} before"))
    zone = policy.calendar.zone if policy.calendar else UTC
    rows = [
        (_local(one.start), _local(one.due), f"{_local(one.verdict_at)} {verdict}")
        for one in examples(policy, now)
    ]
    console().print(cell(policy.name, "bold"))
    console().print(fields(shown))
    console().print(table("", (f"start ({zone})", "due", "verdict if silent"), rows))


def _local(moment: datetime) -> str:
    return moment.strftime("%a %d %b %Y %H:%M:%S").removesuffix(":00")


app.command("simulate")(simulate)


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
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="With --seller: a label of the order."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show which policy an order gets, and why no other."""
    from worker.policy.registry import load_policies

    if (order is None) == (seller is None):
        raise typer.BadParameter("give either --order or --seller")
    settings = load_settings()
    facts = _facts(seller, fulfilment, total, currency, label or []) if seller is not None else None
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
    from worker.decide.cases import facts_of

    async with open_database(settings) as database, database.session() as session:
        row = await session.row("explain_order", order_id)
        if row is None or row["lane"] is None:
            return None
        terms = [row["policy"] or ""], [row["policy_version"]]
        kept = await session.rows("stored_policies", *terms)
    given = {name: row[name] for name in ("policy", "policy_version", "due", "fires_at")}
    given["terms"] = json.loads(kept[0]["terms"]) if kept else None
    return _Order(facts_of(row), row["entered_at"], given)


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
    policy = policies.choose(one.facts)
    rules = [{"policy": name, "result": result} for name, result in _why(policies, one.facts)]
    doubt = "facts-missing" if policies.lacks(one.facts) else None
    now = {**_terms(policy), "due": _due(policy, one), "doubt": doubt, "rules": rules}
    return {"given": one.given, "now": now}


def _due(policy: "Policy", one: _Order) -> datetime | None:
    from worker.domain.acts import ORDER_CREATED

    if policy.clock != ORDER_CREATED:
        return None
    return policy.due(one.entered_at, one.facts.due)


def _print(policies: "Policies", one: _Order) -> None:
    from worker.operations.policies import deadline_in_words

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
    at = _due(policy, one)
    due = f"{utc(at)} UTC" if at else "-"
    shown = [("policy", f"{policy.name}, version {policy.version}"),
             ("deadline", deadline_in_words(policy)), ("due", due)]  # fmt: skip
    shown += zip(("clock", "grace", "at lapse"), _rest(policy), strict=True)
    if policies.lacks(one.facts):
        shown.append(("doubt", "the order does not tell a fact that a rule needs: a silent order "
                      "escalates"))  # fmt: skip
    screen.print(fields(shown))
    screen.print(table("Why", ("rule", "result"), _why(policies, one.facts)))


def _rest(policy: "Policy") -> tuple[str, str, str]:
    return f"starts with {policy.clock}", written(policy.grace), policy.at_lapse.value


def _terms(policy: "Policy") -> dict[str, Any]:
    from worker.operations.policies import deadline_in_words

    return {
        "policy": policy.name,
        "policy_version": policy.version,
        "deadline": deadline_in_words(policy),
        "clock": policy.clock,
        "grace": policy.grace,
        "at_lapse": policy.at_lapse.value,
        "dispute_type": policy.dispute.type,
        "dispute_text": policy.dispute.text,
    }


def _facts(
    seller: str, fulfilment: str, total: str | None, currency: str | None, labels: list[str]
) -> "Facts":
    """The facts from the options.

    Raises:
        typer.BadParameter: the total is no number, or a label has no value.
    """
    from worker.domain.policy import Facts

    if not all("=" in label for label in labels):
        raise typer.BadParameter("not NAME=VALUE", param_hint="--label")
    told = dict(label.split("=", 1) for label in labels)
    facts = Facts(seller, fulfilment, None, currency, told)
    if total is None:
        return facts
    try:
        return replace(facts, total=Decimal(total))
    except ArithmeticError:
        raise typer.BadParameter("not a number", param_hint="--total") from None
