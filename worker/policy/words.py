"""The words of the policy file: the meaning of further statuses, and those that move a clock."""

from collections.abc import Collection, Mapping

from schemas.statuses import STATUSES, Meaning, Vocabulary, normalise
from worker.domain.acts import (
    CANCELED,
    DISPUTE_OPENED,
    DISPUTE_RESOLVED,
    ORDER_CREATED,
    START_HANDLING,
)

# Words of the contract itself. Plazo writes them too.
_FIXED = frozenset({ORDER_CREATED, START_HANDLING, CANCELED, DISPUTE_OPENED, DISPUTE_RESOLVED})
_SETTLES = frozenset({
    Meaning.HANDLING, Meaning.CANCELED, Meaning.CANCELED_IN_PART, Meaning.DISPUTE_OPENED,
    Meaning.DISPUTE_RESOLVED,
})  # fmt: skip


def meanings(statuses: Mapping[str, str]) -> dict[str, Meaning]:
    """The meaning of each word, normalised.

    Raises:
        ValueError: a word cannot have that meaning.
    """
    found: dict[str, Meaning] = {}
    for text, told in statuses.items():
        word, meaning = normalise(text), _meaning(told)
        if word in _FIXED:
            raise ValueError(f"{text} has its meaning by the contract")
        if found.setdefault(word, meaning) != meaning:
            raise ValueError(f"{text} is given twice, with two meanings")
    return found


def vocabulary(own: Mapping[str, Meaning], clocks: Collection[str]) -> Vocabulary:
    """The statuses that the file knows; ``clocks`` are the words that start or stop a clock.

    To move a clock is a meaning of its own: such a word is neither unknown nor unclear.
    """
    clear = {
        word: Meaning.NOTHING
        for word in clocks
        if STATUSES.get(word, Meaning.UNKNOWN) in (Meaning.UNKNOWN, Meaning.UNCLEAR)
    }
    return Vocabulary({**clear, **own})


def clock_fault(clock: str, stops: Collection[str], known: Mapping[str, Meaning]) -> str | None:
    """The reason why these words cannot start and stop a clock. All are normalised."""
    if known.get(clock) in _SETTLES:
        return f"{clock} settles an order: no clock starts with it"
    for word in stops:
        if word == clock:
            return f"{word} cannot both start and stop the clock"
        if known.get(word) in _SETTLES:
            return f"{word} settles an order: no clock stops with it"
        if word == ORDER_CREATED or known.get(word) == Meaning.READY:
            return f"{word} gives the order to the seller: no clock stops with it"
    return None


def _meaning(told: str) -> Meaning:
    word = normalise(told)
    if word in STATUSES:
        return STATUSES[word]
    if word in frozenset(Meaning) - {Meaning.UNKNOWN}:
        return Meaning(word)
    raise ValueError(
        f"{told} is neither a known status nor one of "
        f"{', '.join(sorted(frozenset(Meaning) - {Meaning.UNKNOWN}))}"
    )
