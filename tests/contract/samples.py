"""One event of each type that is emitted, made by the worker's own code from fixed cases.

python -m tests.contract.samples     # writes schemas/samples anew
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import schemas
from schemas.events import decision_type
from schemas.statuses import STATUSES as STATUSES_KNOWN
from worker.domain.acts import EXTENDED, Act, Change, Place, RefusedRecord
from worker.domain.case import Case, Order, PriorDecision
from worker.domain.decide import decide, remind
from worker.domain.policy import AtLapse
from worker.freshness.evidence import Reading
from worker.outbox.events import Event, events, published_value

FOLDER = Path(schemas.__file__).parent / "samples"
ENTERED = datetime(2026, 11, 22, 15, 4, 5, 123000, tzinfo=UTC)
DUE = ENTERED + timedelta(hours=24)
ORDERS, STATUSES = "marketplace.order-created", "marketplace.order-status-changed"
READING = Reading({(ORDERS, 0): 7, (ORDERS, 1): 4, (STATUSES, 0): 3, (STATUSES, 1): 9}, None)
ORDER = Order(
    order_id="v40484048naf-01",
    seller_id="s-123",
    fulfilment="courier",
    entered_at=ENTERED,
    due=DUE,
    policy="others",
    at_lapse=AtLapse.AUTO_CANCEL,
    place=Place(ORDERS, 1, 3),
    received_at=ENTERED + timedelta(seconds=1),
    policy_version=3,
    reminders=(timedelta(hours=6),),
)


def _act(status: str, at: datetime, offset: int, stock_ok: bool | None = None) -> Act:
    place = Place(STATUSES, 1, offset)
    meaning = STATUSES_KNOWN[status]
    return Act(status, at, at + timedelta(seconds=1), place, stock_ok, meaning=meaning)


def _told(case: Case) -> Any:
    (event,) = events(case, decide(case).decisions, READING, DUE + timedelta(seconds=31))
    return event


def samples() -> dict[str, Any]:
    """By the name of its schema, the value of each."""
    silent = Case(ORDER)
    cancel = _told(silent)
    judged = decide(silent)
    given = PriorDecision(
        1, str(cancel.id), judged.decisions[0].kind, judged.decisions[0].reason, 41,
        DUE + timedelta(seconds=31), DUE, {},
    )  # fmt: skip
    handled = _act("start-handling", DUE - timedelta(hours=1), 5, stock_ok=False)
    extension = Change(
        EXTENDED, ENTERED + timedelta(hours=3), ENTERED + timedelta(hours=3),
        Place(STATUSES, 0, 2), DUE, counted=True,
    )  # fmt: skip
    refusal = RefusedRecord(Place(STATUSES, 1, 6), DUE, "not-json")
    late = _act("start-handling", DUE - timedelta(hours=1), 5, stock_ok=True)
    made = {
        "auto-cancel": cancel,
        "escalation": _told(
            silent._replace(acts=(handled,), changes=(extension,), refusals=(refusal,))
        ),
        "decision-revoked": _told(
            silent._replace(acts=(late,), finding=judged.finding, decided=1, standing=(given,))
        ),
    }
    at = DUE - ORDER.reminders[0]
    (reminder,) = events(silent, remind(silent, at, {at}), READING, at)
    made["deadline-reminder"] = reminder
    return {name: _published(event) for name, event in made.items()}


def _published(event: Event) -> Any:
    ce_type = decision_type(event.kind).encode()
    return json.loads(published_value(event.value, str(event.id).encode(), ce_type, 42))


def main() -> None:
    """Write them."""
    FOLDER.mkdir(exist_ok=True)
    for name, value in samples().items():
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
