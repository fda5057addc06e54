"""What all orders of a seed are held to."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random

WINDOW = 15.0
# An order that enters with less than this left of its window enters late.
LEAST_WINDOW = timedelta(seconds=1)
# Until here orders and acts are published and faults happen; then everything is mended.
HEAL = 44.0


@dataclass(frozen=True)
class Rules:
    """What all orders of a seed are held to.

    ``clock`` is the status that starts their clocks, or ``None`` where the order itself does;
    ``brake`` is how many auto-cancels there is room for at a time.
    """

    clock: str | None
    brake: int | None
    reminds: bool
    # Draws what marketplaces send beside the plain flow; ``None`` is nothing.
    field: Random | None = None
    # What happens to orders that were over before the installation began, and when that was.
    before_adoption: str = "decide"
    adopted: float | None = None
    # Some workers have the policy file of before, in which the order itself starts its clock.
    rolling: bool = False
    # The status that stops a clock.
    stop: str | None = None
    # Draws holds that nobody releases, records that name no order, and clocks that stop.
    further: Random | None = None
    holds: bool = False
    astray: bool = False

    @classmethod
    def of(cls, seed: int) -> "Rules":
        """Not drawn: the other seeds stay what they were."""
        young = seed % 6 == 0 and seed % 7 != 2
        return cls(
            clock="ready-for-handling" if seed % 4 == 1 else None,
            brake=1 + seed % 2 if seed % 5 == 3 else None,
            reminds=seed % 7 == 2,
            field=Random(seed ^ 0xF1E1D) if seed % 3 == 0 else None,
            before_adoption=("escalate" if seed % 12 else "keep") if young else "decide",
            adopted=seed % 5 * 2.0 if young else None,
            rolling=seed % 20 == 9 and seed % 7 != 2,
            stop="payment-pending" if seed % 12 == 5 and seed % 20 != 9 else None,
            further=Random(seed ^ 0xF0_127),
            holds=seed % 11 == 3 and seed % 7 != 2 and seed % 3 != 0 and seed % 4 != 1,
            astray=seed % 8 == 7 and seed % 7 != 2,
        )
