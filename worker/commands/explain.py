"""``plazo explain``: why an order stands where it stands, on one screen."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import typer
from rich.console import Group
from rich.text import Text

from worker import cases
from worker.commands.output import cell, console, fields, print_json, span, table, utc
from worker.commands.parts import finish, open_store
from worker.domain.acts import DECISIVE, ORDER_CREATED
from worker.domain.case import Case, Finding, Kind, Outcome, Reason
from worker.domain.decide import decide, find
from worker.domain.schedule import schedule
from worker.settings import Settings
from worker.store import Store

# More acts than this tell support nothing, and no screen holds them.
_MOST = 500

SO_FAR = {
    Finding.VALIDATED: "it was put in start handling in time, with nothing reported wrong",
    Finding.CANCELLED: "it was cancelled in time",
    Finding.CANCELLED_INCOMPLETE: "it was cancelled in time, with fields of the form missing",
    Finding.WITHOUT_STOCK: "it was put in start handling in time, but its validation reports "
    "products missing, defective or incomplete",
    Finding.DISPUTED: "a dispute was opened in time and is still open",
    Finding.SILENT: "nobody has validated its stock, cancelled it or opened a dispute in time",
}

ENDED = {
    Outcome.KEPT: "kept because it was put in start handling in time, with nothing reported wrong",
    Outcome.CANCELLED: "closed because it was cancelled in time",
    Outcome.CANCELLED_INCOMPLETE: "closed because it was cancelled in time; the form had fields "
    "missing",
    Outcome.CANCELLED_LATE: "closed because it was cancelled, though only after the deadline",
    Outcome.AUTO_CANCELLED: "auto-cancelled",
    Outcome.ESCALATED: "escalated to a person",
}

BECAUSE = {
    Reason.STOCK_NOT_VALIDATED: "nobody had validated its stock, cancelled it or opened a dispute "
    "by the deadline",
    Reason.HANDLING_WITHOUT_STOCK: "it is in start handling although its validation reports "
    "products missing, defective or incomplete, so it can no longer be cancelled",
    Reason.DISPUTE_OPEN: "a dispute was opened in time and not resolved by the deadline",
    Reason.UNREADABLE_EVIDENCE: "a record of this order could not be read (a dead letter), and it "
    "may say that the seller acted",
    Reason.EVIDENCE_INCOMPLETE: "the log of status changes no longer reaches back to when the "
    "order entered, so an act of the seller may be lost",
    Reason.POLICY: "its policy leaves the decision to a person",
    Reason.MASS_CANCEL: "the brake held it: there were too many auto-cancels at once, and a person "
    "chose to decide (see `plazo brake status`)",
    Reason.HANDLED_AFTER_DEADLINE: "it was put in start handling only after the deadline",
    Reason.LATE_DISPUTE: "a dispute was opened after the deadline",
    Reason.CANCEL_UNCONFIRMED: "nobody confirmed in time that the auto-cancel was carried out",
    Reason.DEADLINE_APPROACHES: "the deadline came near and nothing had been done",
    Reason.LATE_EVIDENCE: "an act in time arrived only after the verdict",
}


@dataclass(frozen=True, slots=True)
class _Known:
    """All rows about one order, of one moment."""

    now: datetime
    order: Mapping[str, Any] | None
    acts: Sequence[Any]
    refusals: Sequence[Any]
    changes: Sequence[Any]
    decisions: Sequence[Any]
    case: Case | None
    evidence_since: datetime | None
    shadow: bool


def explain(settings: Settings, order_id: str, *, personal: bool, as_json: bool) -> None:
    """Print everything known of an order."""

    async def work() -> _Known:
        async with open_store(settings) as store:
            return await _known(settings, store, order_id)

    known = finish(settings, work())
    if known.order is None and not known.acts and not known.refusals:
        typer.echo(
            "plazo: nothing is known of this order: no record that names it has been read", err=True
        )
        raise typer.Exit(1)
    if as_json:
        print_json(_as_json(order_id, known, personal))
    else:
        console().print(_as_screen(order_id, known, personal))


async def _known(settings: Settings, store: Store, order_id: str) -> _Known:
    async with store.transaction(one_snapshot=True) as tx:
        order = await tx.row("explain_order", order_id)
        acts = await tx.rows("explain_acts", order_id, _MOST)
        refusals = await tx.rows("explain_refusals", order_id, _MOST)
        changes = await tx.rows("explain_changes", order_id, _MOST)
        decisions = await tx.rows("explain_decisions", order_id)
        mode = await tx.row("mode")
        entered = order is not None and order["lane"] is not None
        found = await cases.load(tx, order["lane"], [order_id]) if order and entered else []
        since = [
            row["covered_since"]
            for row in await tx.rows("positions")
            if row["topic"] == settings.order_status_changed_topic and row["covered_since"]
        ]
    now = await store.now()
    case = found[0] if found else None
    return _Known(
        now,
        order,
        acts,
        refusals,
        changes,
        decisions,
        case,
        max(since, default=None),
        mode is not None and mode["mode"] == "shadow",
    )


def _summary(known: _Known) -> str:
    """The answer in a sentence."""
    rehearsed = "in shadow mode, where nothing is told in earnest: " if known.shadow else ""
    return rehearsed + _answer(known)


def _answer(known: _Known) -> str:
    order, case = known.order, known.case
    if order is not None and order["lane"] is not None and order["due"] is None:
        return "its clock has not started: the status that its policy waits for has not been read"
    if order is None or case is None:
        return (
            "its order-created has not been read: what came before it is kept, and counts once "
            "the order comes"
        )
    if order["outcome"] is None:
        return _undecided(order, case, known)
    outcome = Outcome(order["outcome"])
    said = ENDED[outcome]
    standing = [given.reason for given in case.standing]
    kind = Kind.AUTO_CANCEL if outcome == Outcome.AUTO_CANCELLED else Kind.ESCALATION
    reasons = [given.reason for given in case.standing if given.kind == kind]
    if outcome in (Outcome.AUTO_CANCELLED, Outcome.ESCALATED) and reasons:
        said += f" because {BECAUSE[reasons[0]]}"
        standing.remove(reasons[0])
    for reason in standing:
        said += f"; then escalated to a person because {BECAUSE[reason]}"
    if any(row["kind"] == Kind.REVOKED for row in known.decisions):
        said += "; an earlier verdict was revoked because an act in time arrived only after it"
    return said


def _undecided(order: Mapping[str, Any], case: Case, known: _Known) -> str:
    said = f"not decided yet: {SO_FAR[find(case)]}"
    planned = schedule(order["first_due"] or order["due"], order["entered_at"], case.changes)
    if planned.held:
        return f"{said}; its verdict is held by an event until another one releases it"
    if order["fires_at"] > case.order.due + case.order.grace:
        again = _due(order["fires_at"], known.now)
        return (
            f"{said}; its verdict was put off and is tried again {again}: "
            "the brake holds it (see `plazo brake status`), or judging it failed (see the log)"
        )
    if order["fires_at"] > known.now:
        left = span(order["fires_at"] - known.now)
        return f"{said}; the verdict falls in {left}, and would be: {_prospect(case, known)}"
    owner = "its lane has no worker" if order["owner"] is None else "a guard holds it"
    return (
        f"{said}; the verdict is {span(known.now - order['fires_at'])} late: either it is falling "
        f"just now, or {owner} (see `plazo check`)"
    )


def _prospect(case: Case, known: _Known) -> str:
    judgement = decide(case, known.evidence_since)
    told = [decision.reason for decision in judgement.decisions]
    because = f" because {BECAUSE[told[0]]}" if told else ""
    return ENDED[judgement.outcome] + because if told else ENDED[judgement.outcome]


def _in_time(act: Mapping[str, Any], order: Mapping[str, Any] | None) -> bool | None:
    if order is None or order["due"] is None or act["status"] not in DECISIVE:
        return None
    return bool(act["occurred_at"] <= order["due"])


def _as_json(order_id: str, known: _Known, personal: bool) -> dict[str, Any]:
    order = known.order
    entered = order is not None and order["lane"] is not None
    return {
        "order_id": order_id,
        "summary": _summary(known),
        "order": {
            name: order[name]
            for name in (
                "seller_id", "fulfilment", "entered_at", "first_due", "due", "fires_at", "policy",
                "policy_version", "at_lapse",
                "total", "currency", "lane", "owner", "topic", "partition", "offset",
                "received_at", "finding", "outcome", "decided_at",
            )
        }
        if order is not None and entered
        else None,
        "acts": [
            {
                **{name: act[name] for name in act if name != "body"},
                "in_time": _in_time(act, order),
                "decisive": act["status"] in DECISIVE,
                **({"body": act["body"]} if personal else {}),
            }
            for act in map(dict, known.acts)
        ],
        "refusals": [dict(row) for row in known.refusals],
        "deadline_changes": [
            {
                name: change[name]
                for name in change
                if personal or name not in ("author", "reason")
            }
            for change in map(dict, known.changes)
        ],
        "verdicts": [
            {
                **{name: row[name] for name in row if name != "value"},
                "evidence": json.loads(row["value"])["evidence"],
            }
            for row in map(dict, known.decisions)
        ],
    }  # fmt: skip


def _as_screen(order_id: str, known: _Known, personal: bool) -> Group:
    order = known.order
    parts: list[Any] = [
        Text.assemble(cell(order_id, "bold"), ": ", cell(_summary(known))),
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
        ("due", _due(order["due"], now)),
        ("verdict from", order["fires_at"]),
        ("policy", _policy(order)),
        ("lane", f"{order['lane']}, read by {order['owner'] or 'nobody'}"),
        ("finding", order["finding"]),
        ("outcome", order["outcome"]),
        ("last decided", order["decided_at"]),
    ]


def _due(due: datetime | None, now: datetime) -> str | None:
    if due is None:
        return None
    return f"{utc(due)}, " + (f"in {span(due - now)}" if due > now else f"{span(now - due)} ago")


def _policy(order: Mapping[str, Any]) -> str | None:
    if order["policy"] is None:
        return None
    version = f" (version {order['policy_version']})" if order["policy_version"] else ""
    return f"{order['policy']}{version}, at lapse: {order['at_lapse']}"


def _time_line(known: _Known, personal: bool) -> Any:
    columns = ["event time (UTC)", "status", "in time", "received", "place", "times", "tells"]
    rows = []
    for act in known.acts:
        row: list[object] = [
            act["occurred_at"], act["status"], _in_time(act, known.order), act["received_at"],
            _place(act), act["times"], _tells(act),
        ]  # fmt: skip
        rows.append([*row, act["body"]] if personal else row)
    title = "Acts" if len(rows) < _MOST else f"Acts (the first {_MOST})"
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
