"""The totals of a run: the one line of ``plazo dev`` on stdout."""

from dataclasses import asdict, dataclass

from worker.dev.audit import Audit
from worker.dev.ledger import Ledger
from worker.dev.scrape import Samples


@dataclass(frozen=True, slots=True)
class Totals:
    """The outcomes of the orders, and the broken promises.

    ``created`` counts the orders that the broker acknowledged. ``kept`` to ``escalated`` count each
    order once, by its first outcome in the worker's metrics; so they add up to ``created``.
    ``revoked`` and ``dead_lettered`` are records read from the output topics. The last two
    come from the audit, which knows what the sellers did.
    """

    created: int
    kept: int
    cancelled: int
    auto_cancelled: int
    escalated: int
    revoked: int
    dead_lettered: int
    false_cancels: int
    missed_deadlines: int

    @property
    def promises_kept(self) -> bool:
        """No false cancel and no missed deadline."""
        return not self.false_cancels and not self.missed_deadlines

    def as_dict(self) -> dict[str, int]:
        """By name, in the order of the line."""
        return asdict(self)


def take(
    ledger: Ledger, audit: Audit, samples: Samples, false_cancels: int, missed_deadlines: int
) -> Totals:
    """The totals as they stand now."""

    def settled(*outcomes: str) -> int:
        return int(
            sum(samples.get(("plazo_outcomes_total", frozenset([one])), 0.0) for one in outcomes)
        )

    return Totals(
        created=ledger.created,
        kept=settled("kept"),
        cancelled=settled("cancelled", "incomplete_form", "cancelled_late"),
        auto_cancelled=settled("auto_cancelled"),
        escalated=settled("escalated"),
        revoked=audit.verdicts["decision-revoked"],
        dead_lettered=audit.dead_letters,
        false_cancels=false_cancels,
        missed_deadlines=missed_deadlines,
    )
