"""``plazo policy check`` and ``plazo policy show``: what the policy file means."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import typer

from worker.cli.context import finish, open_store
from worker.cli.output import cell, console, fields, print_json, table
from worker.domain.acts import ORDER_CREATED
from worker.domain.policy import Book, Facts, Policy
from worker.operations.format import utc
from worker.policy.registry import book_of
from worker.settings import Settings


def check(settings: Settings, file: Path | None, *, as_json: bool) -> None:
    """Read a policy file, by default the one in force.

    Raises:
        PolicyInvalid: with every fault and its line.
    """
    if file is not None:
        settings = settings.model_copy(update={"policy_file": file})
    book = book_of(settings)
    if as_json:
        print_json([_terms(rule.policy) for rule in book.rules])
        return
    rows = ((rule.policy.name, _window(rule.policy), *_rest(rule.policy)) for rule in book.rules)
    heads = ("policy", "deadline", "clock", "grace", "at lapse")
    console().print(table(f"Version {book.rules[0].policy.version}", heads, rows))


@dataclass(frozen=True)
class _Order:
    """An order to hold against the rules, and what it was given, if it was."""

    facts: Facts
    entered_at: datetime
    given: dict[str, Any] | None = None


def show(settings: Settings, order: str | None, facts: Facts | None, *, as_json: bool) -> None:
    """Which rule applies and why: to an order of the database, or to one that might come.

    Raises:
        PolicyInvalid, DatabaseUnavailable
        typer.Exit: there is no such order; status 1.
    """
    book = book_of(settings)
    if order is not None:
        one = finish(settings, _find(settings, order))
        if one is None:
            typer.echo(f"plazo: no order {order}", err=True)
            raise typer.Exit(1)
    else:
        assert facts is not None
        one = _Order(facts, datetime.now(UTC))
    if as_json:
        print_json(_as_json(book, one))
    else:
        _print(book, one)


async def _find(settings: Settings, order_id: str) -> _Order | None:
    async with open_store(settings) as store, store.session() as session:
        row = await session.row("explain_order", order_id)
        if row is None or row["lane"] is None:
            return None
        terms = [row["policy"] or ""], [row["policy_version"]]
        kept = await session.rows("kept_policies", *terms)
    given = {name: row[name] for name in ("policy", "policy_version", "due", "fires_at")}
    given["terms"] = json.loads(kept[0]["terms"]) if kept else None
    facts = Facts(row["seller_id"], row["fulfilment"], row["total"], row["currency"])
    return _Order(facts, row["entered_at"], given)


def _why(book: Book, facts: Facts) -> list[tuple[str, str]]:
    """Each rule up to the one that applies, with what keeps it from applying."""
    told = []
    for rule in book.rules:
        obstacle = rule.match.refuses(facts)
        told.append((rule.policy.name, obstacle or "applies"))
        if obstacle is None:
            break
    return told


def _as_json(book: Book, one: _Order) -> dict[str, Any]:
    policy = book.choose(one.facts)
    due = policy.due(one.entered_at) if policy.clock == ORDER_CREATED else None
    rules = [{"policy": name, "result": result} for name, result in _why(book, one.facts)]
    return {"given": one.given, "now": {**_terms(policy), "due": due, "rules": rules}}


def _print(book: Book, one: _Order) -> None:
    policy = book.choose(one.facts)
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
    screen.print(table("Why", ("rule", "result"), _why(book, one.facts)))


def _window(policy: Policy) -> str:
    where = f" of {policy.calendar.name}" if policy.calendar else ""
    if policy.cut_off:
        until, by = (f"{m // 60:02}:{m % 60:02}" for m in (policy.cut_off.until, policy.cut_off.by))
        return f"orders until {until} by {by}{where}"
    return f"{policy.window}{' working time' if where else ''}{where}"


def _rest(policy: Policy) -> tuple[str, str, str]:
    return f"starts with {policy.clock}", str(policy.grace), policy.at_lapse.value


def _terms(policy: Policy) -> dict[str, Any]:
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


def facts_of(seller: str, fulfilment: str, total: str | None, currency: str | None) -> Facts:
    """The facts that options give.

    Raises:
        typer.BadParameter: the total is no number.
    """
    facts = Facts(seller, fulfilment, None, currency)
    if total is None:
        return facts
    try:
        return replace(facts, total=Decimal(total))
    except ArithmeticError:
        raise typer.BadParameter("not a number", param_hint="--total") from None
