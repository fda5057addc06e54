"""How a sweep judges a case: the deadline in force first, then the rule."""

from dataclasses import dataclass
from datetime import timedelta

from worker.decide.deadlines import Deadlines
from worker.domain.case import Case, Judgement, Kind, Limits
from worker.domain.decide import decide, watch
from worker.domain.policy import Facts
from worker.freshness.evidence import Proof


@dataclass(frozen=True, slots=True)
class Hearing:
    """All that a judgement takes beside the case. Without a ``proof`` no first verdict falls."""

    deadlines: Deadlines
    limits: Limits
    proof: Proof | None
    # An auto-cancel is checked again after so long; ``None`` is never.
    confirm_within: timedelta | None

    def judge(self, loaded: Case, facts: Facts) -> tuple[Case, Judgement]:
        """The case of the cycle in force, and its judgement if there were no brake."""
        case, judgement = self.deadlines.settle(loaded, facts)
        if judgement is None and self._is_early(case):
            judgement = watch(case)
        return case, judgement or self.decide(case)

    def decide(self, case: Case, *, braked: bool = False) -> Judgement:
        """The judgement of a settled case; with ``braked`` a person decides instead of Plazo."""
        unconfirmed = self.proof is not None and self._is_unconfirmed(case)
        return decide(case, self.limits, braked=braked, unconfirmed=unconfirmed)

    def _is_early(self, case: Case) -> bool:
        """Whether the order has no verdict yet and its deadline lies ahead."""
        if case.finding is not None:
            return False
        fires_at = case.order.fires_at
        return self.proof is None or (fires_at is not None and fires_at > self.proof.at)

    def _is_unconfirmed(self, case: Case) -> bool:
        """Whether the time to confirm an auto-cancel is over."""
        within = self.confirm_within
        return within is not None and any(
            given.kind == Kind.AUTO_CANCEL and given.decided_at + within <= self.deadlines.now
            for given in case.standing
        )
