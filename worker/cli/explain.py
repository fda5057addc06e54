"""``plazo explain``: why an order stands where it stands, on one screen."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import typer
from rich.console import Group
from rich.text import Text

from worker.cli.context import finish, open_store
from worker.cli.output import cell, console, fields, print_json, table
from worker.domain.acts import DECISIVE, ORDER_CREATED
from worker.operations.explanation import MOST, Known, explained, in_time, load, summary
from worker.operations.format import from_now, utc
from worker.settings import Settings


def explain(settings: Settings, order_id: str, *, personal: bool, as_json: bool) -> None:
    """Print everything known of an order."""

    async def work() -> Known:
        async with open_store(settings) as store:
            return await load(settings, store, order_id)

    known = finish(settings, work())
    if known.nothing:
        typer.echo(
            "plazo: nothing is known of this order: no record that names it has been read", err=True
        )
        raise typer.Exit(1)
    if as_json:
        print_json(explained(order_id, known, personal))
    else:
        console().print(_as_screen(order_id, known, personal))


def _as_screen(order_id: str, known: Known, personal: bool) -> Group:
    order = known.order
    parts: list[Any] = [
        Text.assemble(cell(order_id, "bold"), ": ", cell(summary(known))),
        "",
    ]
    if order is not None and order["lane"] is not None:
        parts += [fields(_order_fields(order, known.now)), ""]
    if known.acts:
        parts.append(_time_line(known, personal))
    if known.changes:
        parts.append(_changes(known.changes, personal))
    if known.refusals:
        columns = ("id", "received", "place", "error", "message", "state")
        parts.append(
            table("Records that could not be read (`plazo dead-letters show ID`)", columns, (
                (row["id"], row["received_at"], _place(row), row["error"], row["message"],
                 _state(row)) for row in known.refusals
            ))
        )  # fmt: skip
    if known.decisions:
        heads = ("no.", "decided", "verdict", "reason", "sequence", "published", "revoked", "id")
        parts.append(
            table("Verdicts", heads, (
                (row["ordinal"], row["decided_at"], _verdict(row), row["reason"],
                 f"{row['lane']}/{row['sequence']}", row["published"],
                 f"by no. {row['revoked_by']}" if row["revoked_by"] else None, row["id"])
                for row in known.decisions
            ))
        )  # fmt: skip
        parts.append(
            table("What they rest on", ("no.", "acts", "inputs read up to, by partition"), (
                (row["ordinal"], *_evidence(json.loads(row["value"])["evidence"]))
                for row in known.decisions
            ))
        )  # fmt: skip
    if known.acts and not personal:
        parts.append(cell("bodies of the records are shown with --with-personal-data", "dim"))
    return Group(*parts)


def _order_fields(order: Mapping[str, Any], now: datetime) -> list[tuple[str, object]]:
    total = "-" if order["total"] is None else f"{order['total']} {order['currency'] or ''}"
    return [
        ("seller", order["seller_id"]),
        ("mode", order["fulfilment"]),
        ("total", total),
        ("entered (UTC)", order["entered_at"]),
        *([("due at first", order["first_due"])] if order["first_due"] else []),
        ("due", from_now(order["due"], now)),
        ("verdict from", order["fires_at"]),
        ("policy", _policy(order)),
        ("lane", f"{order['lane']}, read by {order['owner'] or 'nobody'}"),
        ("finding", order["finding"]),
        ("outcome", order["outcome"]),
        ("last decided", order["decided_at"]),
    ]


def _policy(order: Mapping[str, Any]) -> str | None:
    if order["policy"] is None:
        return None
    version = f" (version {order['policy_version']})" if order["policy_version"] else ""
    return f"{order['policy']}{version}, at lapse: {order['at_lapse']}"


def _time_line(known: Known, personal: bool) -> Any:
    columns = ["event time (UTC)", "status", "in time", "received", "place", "times", "tells"]
    rows = []
    for act in known.acts:
        row: list[object] = [
            act["occurred_at"], act["status"], in_time(act, known.order), act["received_at"],
            _place(act), act["times"], _tells(act),
        ]  # fmt: skip
        rows.append([*row, act["body"]] if personal else row)
    title = "Acts" if len(rows) < MOST else f"Acts (the first {MOST})"
    return table(title, [*columns, "body"] if personal else columns, rows)


def _changes(changes: Sequence[Any], personal: bool) -> Any:
    columns = ["event time (UTC)", "change", "new deadline", "counts", "received", "place"]
    rows = [
        [row["occurred_at"], row["kind"].removeprefix("order.deadline-"), row["due"],
         row["counted"], row["received_at"], _place(row),
         *([row["author"], row["reason"]] if personal else [])]
        for row in changes
    ]  # fmt: skip
    return table(
        "Changes of the deadline", [*columns, "author", "reason"] if personal else columns, rows
    )


def _tells(act: Mapping[str, Any]) -> str | None:
    told = []
    if act["stock_ok"] is not None:
        told.append("stock validated" if act["stock_ok"] else "stock reported wrong")
    if act["form_complete"] is not None:
        told.append("form complete" if act["form_complete"] else "form incomplete")
    if act["status"] not in DECISIVE and act["status"] != ORDER_CREATED:
        told.append("decides nothing")
    return ", ".join(told) or None


def _evidence(evidence: Mapping[str, Any]) -> tuple[Text, Text]:
    acts = [cell(f"{act['status']} {_place(act)}") for act in evidence["acts"]]
    read = [
        cell(f"{topic}: {' '.join(map(str, offsets))}")
        for topic, offsets in evidence["read_to"].items()
    ]
    return Text("\n").join(acts), Text("\n").join(read)


def _verdict(row: Mapping[str, Any]) -> str:
    return f"{row['kind']} of no. {row['revokes']}" if row["revokes"] else str(row["kind"])


def _state(row: Mapping[str, Any]) -> str:
    if row["settled"]:
        return f"{row['settled']} by {row['settled_by']}, {utc(row['settled_at'])}"
    return "shields the order" if row["shields"] else "open"


def _place(row: Mapping[str, Any]) -> str:
    return f"{row['topic']}/{row['partition']}/{row['offset']}"
