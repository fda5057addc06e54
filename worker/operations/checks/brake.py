"""Check of the brake on mass cancellation: its limits, and whether it holds."""

from worker.decide.brake import Limits
from worker.operations.checks.model import Check, DatabaseFacts, Status
from worker.operations.outages import Outage
from worker.operations.phrases import limits_in_words
from worker.settings import Settings


def brake_check(settings: Settings, database: DatabaseFacts | Outage) -> Check:
    """Whether mass cancellation has a limit, and was not stopped by it."""
    limits = Limits.of(settings)
    if limits is None:
        return Check(
            "brake", Status.WARNING, "no limit is set: a silent status feed cancels every order",
            "set PLAZO_BRAKE_SHARE, PLAZO_BRAKE_CANCELS or PLAZO_BRAKE_SILENT_FEED",
        )  # fmt: skip
    found = limits_in_words(limits)
    usual = Settings.model_fields
    looser = [
        f"PLAZO_{name.upper()}"
        for name in ("brake_share", "brake_least")
        if getattr(settings, name) > usual[name].default
    ]
    if not isinstance(database, Outage) and database.brake_tripped_at is not None:
        return Check(
            "brake", Status.WARNING,
            f"tripped at {database.brake_tripped_at}, it holds every auto-cancel; limits {found}",
            "see `plazo brake status`; then release, escalate or reset it",
        )  # fmt: skip
    if looser and limits.cancels is None:
        return Check(
            "brake", Status.WARNING, f"looser than the default: {found}",
            f"lower {' and '.join(looser)}, or limit their number by PLAZO_BRAKE_CANCELS",
        )  # fmt: skip
    return Check("brake", Status.OK, found)
