"""Tries policies on known orders, before they are in force. Nothing is written."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from worker.domain.policy import Policies
from worker.operations.policy_verdicts import Trial, trials
from worker.storage.database import Database

_PAGE = 500
_EXAMPLES = 3

# The verdict before, and the one by the policies that are tried.
Change = tuple[str, str]


@dataclass(slots=True)
class PolicyReport:
    """The orders that would get one policy.

    ``verdicts`` counts the orders whose verdict would be another one, and ``examples`` names some.
    """

    orders: int = 0
    other_policy: int = 0
    earlier: int = 0
    later: int = 0
    verdicts: Counter[Change] = field(default_factory=Counter)
    examples: defaultdict[Change, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, order_id: str, trial: Trial) -> None:
        """Count an order."""
        self.orders += 1
        self.other_policy += trial.policy != trial.policy_before
        if trial.due and trial.due_before:
            self.earlier += trial.due < trial.due_before
            self.later += trial.due > trial.due_before
        if trial.verdict != trial.verdict_before:
            change = trial.verdict_before, trial.verdict
            self.verdicts[change] += 1
            if len(self.examples[change]) < _EXAMPLES:
                self.examples[change].append(order_id)


@dataclass(slots=True)
class TrialReport:
    """The reports by the name of the policy that orders would get.

    ``left_out`` counts orders that cannot be compared: opened again after a cancellation, or with
    rows that this version cannot read.
    """

    policies: dict[str, PolicyReport] = field(default_factory=dict)
    left_out: int = 0

    @property
    def orders(self) -> int:
        """The orders that were compared."""
        return sum(report.orders for report in self.policies.values())


async def try_policies(
    database: Database, before: Policies, tried: Policies, since: datetime, now: datetime
) -> TrialReport:
    """Compare the terms and verdicts of all orders that entered since then, page by page.

    ``before`` are the policies in force.

    Raises:
        DatabaseUnavailable: try again later.
    """
    report = TrialReport({rule.policy.name: PolicyReport() for rule in tried.rules})
    last = ""
    while True:
        async with database.transaction(one_snapshot=True) as tx:
            rows = await tx.rows("policy_orders", last, since, _PAGE)
            if not rows:
                return report
            last = rows[-1]["order_id"]
            by_lane: defaultdict[int, list[str]] = defaultdict(list)
            for row in rows:
                if row["asked"]:
                    by_lane[row["lane"]].append(row["order_id"])
            for lane, order_ids in by_lane.items():
                found = await trials(tx, lane, order_ids, before, tried, now)
                report.left_out += len(order_ids) - len(found)
                for order_id, trial in found.items():
                    report.policies[trial.policy].add(order_id, trial)
