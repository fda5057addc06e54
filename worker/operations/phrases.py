"""Phrases that several commands share."""

from worker.decide.brake import Limits
from worker.durations import written


def limits_in_words(limits: Limits) -> str:
    """The limits of the brake, for people."""
    parts = [f"in {written(limits.window)}"]
    if limits.cancels is not None:
        parts.append(f"{limits.cancels} auto-cancels")
    if limits.seller_cancels is not None:
        parts.append(f"{limits.seller_cancels} of each seller")
    if limits.share < 1:
        parts.append(f"{limits.share:.0%} of what lapses, from {limits.least} orders on")
    if limits.silent_feed is not None:
        parts.append(f"none while the status feed is silent for {written(limits.silent_feed)}")
    return ", ".join(parts)
