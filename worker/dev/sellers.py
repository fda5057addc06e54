"""How the sellers of the sample marketplace behave.

Each behaviour is a script for one order: the records, and when they are published. Times count
from the order's entry, in seconds.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

# The two validations: everything in order, and stock break.
GOOD = {"in_stock": True, "functional": True, "complete": True}
BREAK = {"in_stock": False, "functional": True, "complete": True}

FORM = {
    "text": "Stock break in the warehouse",
    "type": "CS",
    "responsible": "Sample Seller",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """The deadline, and when a verdict may fall at the earliest; seconds from the entry."""

    window: float
    grace: float

    @property
    def fires(self) -> float:
        return self.window + self.grace


@dataclass(frozen=True, slots=True)
class Step:
    """One record: published ``at``, about an act that ``occurred``.

    Without a status it is the order-created; garbage is an unreadable record.
    """

    at: float
    occurred: float = 0.0
    status: str | None = None
    body: dict[str, Any] = field(default_factory=dict)
    garbage: bool = False


Script = Iterator[Step]
Behaviour = Callable[[Terms, random.Random], Script]

# Share of the orders, in thousandths, by behaviour.
BEHAVIOURS: list[tuple[int, str, Behaviour]] = []


def sellers(share: int) -> Callable[[Behaviour], Behaviour]:
    """Register a behaviour under the name of its function, with its share."""

    def add(behaviour: Behaviour) -> Behaviour:
        BEHAVIOURS.append((share, behaviour.__name__.replace("_", " "), behaviour))
        return behaviour

    return add


def behave(dice: random.Random) -> tuple[str, Behaviour]:
    """Choose a behaviour."""
    shares = [share for share, _, _ in BEHAVIOURS]
    _, name, behaviour = dice.choices(BEHAVIOURS, shares)[0]
    return name, behaviour


def _act(status: str, occurred: float, *, at: float | None = None, **body: Any) -> Step:
    return Step(occurred + 0.05 if at is None else at, occurred, status, body)


def _in_time(terms: Terms, dice: random.Random) -> float:
    return terms.window * dice.uniform(0.05, 0.9)


def _after_verdict(terms: Terms, dice: random.Random) -> float:
    """When the verdict has long fallen, unless a guard holds it: then it may know this too."""
    return terms.fires + dice.uniform(2.0, 3.5)


@sellers(560)
def confirms(terms: Terms, dice: random.Random) -> Script:
    yield Step(0.0)
    yield _act("ready-for-handling", 0.1)
    yield _act("start-handling", _in_time(terms, dice), validation=GOOD)


@sellers(20)
def confirms_at_the_last_moment(terms: Terms, dice: random.Random) -> Script:
    yield Step(0.0)
    yield _act("start-handling", terms.window, validation=GOOD)


@sellers(15)
def confirms_before_the_order_is_known(terms: Terms, dice: random.Random) -> Script:
    yield _act("start-handling", 0.0, at=0.0, validation=GOOD)
    yield Step(min(1.5, terms.window / 4))


@sellers(15)
def confirms_and_every_record_comes_twice(terms: Terms, dice: random.Random) -> Script:
    when = _in_time(terms, dice)
    for again in (0.0, 0.3):
        yield Step(again)
        yield _act("start-handling", when, at=when + 0.05 + again, validation=GOOD)


@sellers(80)
def cancels(terms: Terms, dice: random.Random) -> Script:
    yield Step(0.0)
    yield _act("canceled", _in_time(terms, dice), dispute=FORM)


@sellers(35)
def cancels_without_a_full_form(terms: Terms, dice: random.Random) -> Script:
    yield Step(0.0)
    yield _act("canceled", _in_time(terms, dice), dispute={"text": FORM["text"]})


@sellers(100)
def stays_silent(terms: Terms, dice: random.Random) -> Script:
    yield Step(0.0)
    yield _act("ready-for-handling", 0.1)


@sellers(25)
def handles_without_stock(terms: Terms, dice: random.Random) -> Script:
    yield Step(0.0)
    yield _act("start-handling", _in_time(terms, dice), validation=BREAK)


@sellers(25)
def handles_without_stock_and_disputes(terms: Terms, dice: random.Random) -> Script:
    when = _in_time(terms, dice)
    yield Step(0.0)
    yield _act("start-handling", when, validation=BREAK)
    yield _act("dispute-opened", when + terms.window * 0.05, dispute=FORM)


@sellers(15)
def disputes_and_resolves(terms: Terms, dice: random.Random) -> Script:
    when = _in_time(terms, dice)
    yield Step(0.0)
    yield _act("start-handling", when, validation=GOOD)
    yield _act("dispute-opened", when + terms.window * 0.03, dispute=FORM)
    yield _act("dispute-resolved", when + terms.window * 0.06)


@sellers(25)
def handles_within_the_grace(terms: Terms, dice: random.Random) -> Script:
    yield Step(0.0)
    yield _act("start-handling", terms.window + terms.grace * 0.2, validation=GOOD)


@sellers(20)
def handles_after_the_verdict(terms: Terms, dice: random.Random) -> Script:
    yield Step(0.0)
    yield _act("start-handling", _after_verdict(terms, dice), validation=GOOD)


@sellers(10)
def cancels_after_the_verdict(terms: Terms, dice: random.Random) -> Script:
    yield Step(0.0)
    yield _act("canceled", _after_verdict(terms, dice), dispute=FORM)


@sellers(10)
def disputes_after_the_verdict(terms: Terms, dice: random.Random) -> Script:
    yield Step(0.0)
    yield _act("start-handling", _in_time(terms, dice), validation=GOOD)
    yield _act("dispute-opened", _after_verdict(terms, dice), dispute=FORM)


@sellers(25)
def confirms_in_time_but_the_record_is_late(terms: Terms, dice: random.Random) -> Script:
    when = _in_time(terms, dice)
    yield Step(0.0)
    yield _act("start-handling", when, at=_after_verdict(terms, dice), validation=GOOD)


@sellers(15)
def sends_garbage(terms: Terms, dice: random.Random) -> Script:
    yield Step(0.0)
    yield Step(_in_time(terms, dice), garbage=True)


@sellers(5)
def sends_garbage_and_confirms(terms: Terms, dice: random.Random) -> Script:
    when = _in_time(terms, dice)
    yield Step(0.0)
    yield Step(when, garbage=True)
    yield _act("start-handling", when, at=when + 0.3, validation=GOOD)
