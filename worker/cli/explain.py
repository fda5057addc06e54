"""``plazo explain``: explains the state of an order on one screen."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from worker.cli.context import finish, open_database
from worker.cli.options import AsJson, WithPersonalData, Zone
from worker.cli.output import cell, console, fail, fields, listing, plain, print_json
from worker.cli.settings import load_settings
from worker.cli.zones import zone_of
from worker.operations.format import from_now, local, relative, utc

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

    from worker.operations.order_history import OrderHistory


def explain(
    order: Annotated[str, typer.Argument(metavar="ORDER")],
    details: Annotated[
        bool, typer.Option("--details", help="Show records, places, ids and evidence as well.")
    ] = False,
    personal: WithPersonalData = False,
    zone: Zone = None,
    as_json: AsJson = False,
) -> None:
    """Explain the state of an order: why, until when, what to do next, and what happened."""
    from worker.operations.answer import answer
    from worker.operations.explanation import document
    from worker.operations.nearest_orders import nearest
    from worker.operations.order_history import load
    from worker.operations.support import moments

    settings = load_settings()
    shown_in = zone_of(settings, zone)

    async def read() -> "tuple[OrderHistory, list[str]]":
        async with open_database(settings) as database:
            history = await load(settings, database, order, bodies=personal)
            return history, await nearest(database, order) if history.nothing else []

    history, alike = finish(settings, read())
    if history.nothing:
        known = f" Known are: {', '.join(map(plain, alike))}." if alike else ""
        fail(
            "nothing is known of this order: check the spelling; capitals count, and so do blanks."
            + known
        )
    if as_json:
        print_json(
            {
                **document(order, history, personal),
                "next_step": answer(history).next_step,
                "zone": shown_in.key,
                "history": [asdict(one) for one in moments(history)],
            }
        )
        return
    out = console()
    for line in _lines(order, history, shown_in):
        # A terminal wraps a long line by itself, so that an id can still be copied.
        out.print(cell(line), soft_wrap=len(line) > out.width and " " not in line)
    if details or personal:
        out.print()
        out.print(_screen(history, personal))
    else:
        out.print()
        out.print(cell("records, places and ids: --details", "dim"))


def _lines(order_id: str, history: "OrderHistory", zone: ZoneInfo) -> "Iterator[str]":
    """What support needs, in short lines."""
    from worker.operations.answer import answer, summary
    from worker.operations.support import moments

    order, said = history.order, summary(history)
    yield order_id
    yield said[0].upper() + said[1:] + "."
    yield ""
    if order is not None and order["lane"] is not None:
        yield f"Seller      {order['seller_id']}"
        if order["due"] is not None:
            distance = relative(order["due"], history.now)
            yield f"Deadline    {local(order['due'], zone)} {zone.key}, {distance}"
    yield f"Next step   {answer(history).next_step}"
    yield ""
    yield f"What happened (times: {zone.key})"
    for one in moments(history):
        yield f"{local(one.at, zone)}  {one.said}"


def _screen(history: "OrderHistory", personal: bool) -> "Group":
    from rich.console import Group

    order = history.order
    parts: list[Any] = []
    if order is not None and order["lane"] is not None:
        parts += [fields(_order_fields(order, history.now)), ""]
    if history.acts:
        parts.append(_time_line(history, personal))
    if history.versions:
        parts.append(_versions(order, history.versions))
    if history.changes:
        parts.append(_changes(history.changes, personal))
    if history.refusals:
        columns = ("id", "received", "place", "error", "message", "state")
        parts.append(
            listing("Records that could not be read (`plazo dead-letters show ID`)", columns, (
                (row["id"], row["received_at"], _place(row), row["error"], row["message"],
                 _state(row)) for row in history.refusals
            ))
        )  # fmt: skip
    if history.decisions:
        heads = ("no.", "decided", "verdict", "reason", "sequence", "published", "revoked", "id")
        parts.append(
            listing("Verdicts", heads, whole=("id", "reason"), rows=(
                (row["ordinal"], row["decided_at"], _verdict(row), row["reason"],
                 f"{row['lane']}/{row['sequence']}", row["published"],
                 f"by no. {row['revoked_by']}" if row["revoked_by"] else None, row["id"])
                for row in history.decisions
            ))
        )  # fmt: skip
        parts.append(
            listing("Evidence of the verdicts", ("no.", "acts", "inputs read up to"), (
                (row["ordinal"], *_evidence(json.loads(row["value"])["evidence"]))
                for row in history.decisions
            ))
        )  # fmt: skip
    if history.acts and not personal:
        parts.append(cell("bodies of the records are shown with --with-personal-data", "dim"))
    return Group(*parts)


def _order_fields(order: Mapping[str, Any], now: datetime) -> list[tuple[str, object]]:
    total = "-" if order["total"] is None else f"{order['total']} {order['currency'] or ''}"
    return [
        ("seller", order["seller_id"]),
        ("mode", order["fulfilment"]),
        ("total", total),
        ("entered (UTC)", order["entered_at"]),
        *([("clock started", order["started_at"])] if order["started_at"] else []),
        *([("due at first", order["first_due"])] if order["first_due"] else []),
        ("due", from_now(order["due"], now)),
        ("verdict from", order["fires_at"]),
        ("policy", _policy(order)),
        ("lane", f"{order['lane']}, read by {order['owner'] or 'no worker'}"),
        ("finding", order["finding"]),
        ("outcome", order["outcome"]),
        ("last decided", order["decided_at"]),
    ]


def _policy(order: Mapping[str, Any]) -> str | None:
    if order["policy"] is None:
        return None
    version = f" (version {order['policy_version']})" if order["policy_version"] else ""
    return f"{order['policy']}{version}, at lapse: {order['at_lapse']}"


def _time_line(history: "OrderHistory", personal: bool) -> Any:
    from worker.operations.explanation import in_time
    from worker.operations.order_history import MOST

    columns = ["event time (UTC)", "status", "in time", "received", "place", "times", "meaning"]
    rows = []
    for act in history.acts:
        row: list[object] = [
            act["occurred_at"], act["status"], in_time(act, history.order), act["received_at"],
            _place(act), act["times"], _meaning(act),
        ]  # fmt: skip
        rows.append([*row, act["body"]] if personal else row)
    title = "Acts" if len(rows) < MOST else f"Acts (the first {MOST})"
    heads = [*columns, "body"] if personal else columns
    return listing(title, heads, rows, whole=("status", "place"))


def _versions(order: Mapping[str, Any] | None, versions: Sequence[Any]) -> Any:
    """The order as its row tells it, above each order-created that tells it otherwise."""
    columns = ("received", "place", "seller", "mode", "entered (UTC)", "total")
    told = [*([order] if order is not None else []), *versions]
    return listing(
        "Order-created records that tell the order differently",
        columns,
        (
            (row["received_at"], _place(row), row["seller_id"], row["fulfilment"],
             row["entered_at"], f"{row['total'] or '-'} {row['currency'] or ''}".strip())
            for row in told
        ),
    )  # fmt: skip


def _changes(changes: Sequence[Any], personal: bool) -> Any:
    columns = ["event time (UTC)", "change", "new deadline", "counts", "received", "place"]
    rows = [
        [row["occurred_at"], row["kind"].removeprefix("order.deadline-"), row["due"],
         row["counted"], row["received_at"], _place(row),
         *([row["author"], row["reason"]] if personal else [])]
        for row in changes
    ]  # fmt: skip
    return listing(
        "Changes of the deadline", [*columns, "author", "reason"] if personal else columns, rows
    )


def _meaning(act: Mapping[str, Any]) -> str | None:
    from worker.domain.acts import ORDER_CREATED
    from worker.operations.explanation import tells

    parts = []
    if act["stock_ok"] is not None:
        parts.append("stock validated" if act["stock_ok"] else "stock reported wrong")
    if act["form_complete"] is not None:
        parts.append("form complete" if act["form_complete"] else "form incomplete")
    if not tells(act["status"]) and act["status"] != ORDER_CREATED:
        parts.append("decides nothing")
    return ", ".join(parts) or None


def _evidence(evidence: Mapping[str, Any]) -> "tuple[Text, Text]":
    from rich.text import Text

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
