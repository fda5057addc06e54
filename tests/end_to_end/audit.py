"""The audit: what was published against what was decided, order by order."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import timedelta
from functools import cache

from .oracle import AUTO_CANCEL, Expected, Terms, expected
from .plan import Order
from .reader import Event, Reader, lateness, standing
from .world import World


@dataclass
class Audit:
    """Faults by kind, each with the place or order where it shows."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    falsely_cancelled: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    misfounded: list[str] = field(default_factory=list)  # resting on evidence that cannot be
    malformed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def faults(self) -> Iterator[tuple[str, list[str]]]:
        """Every kind of fault with its list, empty or not."""
        for one in fields(self):
            if one.name != "notes":
                yield one.name.replace("_", " "), getattr(self, one.name)

    def __str__(self) -> str:
        counts = ", ".join(f"{name} {len(found)}" for name, found in self.faults())
        lines = [counts, *self.notes]
        for name, found in self.faults():
            lines += [f"  {name}: {line}" for line in found[:10]]
        return "\n".join(lines)

    def check(self) -> None:
        """Fail unless nothing at all was found."""
        assert not any(found for _, found in self.faults()), f"\n{self}"


def audit(
    world: World, reader: Reader, *, repeats_allowed: bool = False, lost_commits: bool = False
) -> Audit:
    """Hold what was read against what was published.

    ``repeats_allowed``: a process hung and overlapped its successor, so that a decision may stand
    twice in the topic, with the same id and sequence. ``lost_commits``: the database lost some, so
    that records are refused once more and a dead letter may stand twice in its topic.
    """
    found = Audit()
    found.malformed += reader.faults
    found.lost += reader.gaps
    found.out_of_order += reader.disorder
    found.duplicated += reader.doubled
    if not repeats_allowed:
        found.duplicated += [
            f"{one.id} again at {one.partition}/{one.offset}" for one in reader.repeats
        ]
    decisions = reader.by_order()
    for stranger in set(decisions) - set(world.orders):
        found.wrong.append(f"{stranger}: nobody published it")
    for order in world.orders.values():
        _audit_order(found, world, reader, order, decisions.get(order.order_id, []))
    _audit_dead_letters(found, world, reader, repeats_allowed=repeats_allowed or lost_commits)
    _note(found, world, reader)
    return found


def unsettled(world: World, reader: Reader) -> list[str]:
    """Orders whose standing verdicts are not, or not yet, what they may be in the end."""
    decisions = reader.by_order()
    return [
        order.order_id
        for order in world.orders.values()
        if standing(decisions.get(order.order_id, []))[0]
        not in {ending.standing for ending in _expected(world, reader, order).endings}
    ]


_expected_once = cache(expected)


def _expected(world: World, reader: Reader, order: Order) -> Expected:
    terms = Terms(order.entered_at, world.window, world.grace)
    return _expected_once(terms, tuple(order.facts), reader.first_seen.get(order.order_id))


def _endings(result: Expected) -> str:
    return " or ".join(sorted({str(ending.told) for ending in result.endings}))


def _audit_order(
    found: Audit, world: World, reader: Reader, order: Order, events: list[Event]
) -> None:
    who = f"{order.order_id} ({order.behaviour})"
    if order.created_at is None:
        if events:
            found.wrong.append(f"{who}: decided without an order: {[one.says for one in events]}")
        return
    stands, told, faults = standing(events)
    found.wrong += [f"{who}: {fault}" for fault in faults]
    _audit_events(found, world, order, who, events)
    result = _expected(world, reader, order)
    if AUTO_CANCEL in told and not result.may_cancel:
        found.falsely_cancelled.append(f"{who}: {told}")
    elif not events and result.speaks:
        found.missed.append(f"{who}: nothing told, expected {_endings(result)}")
    elif not any((stands, told) == (e.standing, e.told) for e in result.endings):
        # Some fact had no effect, or one it should not have had.
        found.wrong.append(f"{who}: told {told}, expected {_endings(result)}")


def _audit_events(found: Audit, world: World, order: Order, who: str, events: list[Event]) -> None:
    """What each decision says of itself, against what the judge knows."""
    due = order.entered_at + world.window
    places = {(fact.topic, fact.partition, fact.offset) for fact in order.facts}
    millisecond = timedelta(milliseconds=1)  # Kafka's timestamps are cut to it
    readable = order.readable_at is not None and order.readable_at < due + world.grace
    fulfilments = {order.fulfilment} if readable else {order.fulfilment, order.salvaged_fulfilment}
    for event in events:
        if event.due != due:
            found.wrong.append(f"{who}: {event.id} tells due {event.due}, not {due}")
        if (told := event.body["fulfilment"]) not in fulfilments:
            found.wrong.append(f"{who}: {event.id} tells fulfilment {told}, not {fulfilments}")
        if event.decided_at < due + world.grace or event.stored_at + millisecond < event.decided_at:
            found.wrong.append(f"{who}: {event.id} was decided too early, {event.decided_at}")
        if event.partition != order.home:
            found.wrong.append(f"{who}: {event.id} not in the home lane {order.home}")
        evidence = event.body["evidence"]
        for act in evidence["acts"]:
            place = (act["topic"], act["partition"], act["offset"])
            if place not in places and act["topic"] != world.topics.order_created:
                found.misfounded.append(
                    f"{who}: {event.id} rests on {place}, which is not the order's"
                )
            elif act["offset"] >= evidence["read_to"][act["topic"]][act["partition"]]:
                found.misfounded.append(f"{who}: {event.id} rests on {place}, beyond what was read")


def _audit_dead_letters(
    found: Audit, world: World, reader: Reader, *, repeats_allowed: bool
) -> None:
    for place, who in world.poisoned.items():
        times = reader.dead_letters[place]
        if times == 0:
            found.lost.append(f"no dead letter for {place} of {who}")
        elif times > 1 and not repeats_allowed:
            found.duplicated.append(f"{times} dead letters for {place} of {who}")
    for place in set(reader.dead_letters) - set(world.poisoned):
        found.wrong.append(f"dead letter for {place}, which can be read")


def _note(found: Audit, world: World, reader: Reader) -> None:
    uncertain = sum(not _expected(world, reader, order).certain for order in world.orders.values())
    found.notes.append(
        f"{len(world.orders)} orders, {sum(world.published.values())} records, "
        f"{len(reader.events)} decisions, {len(reader.repeats)} repeats, "
        f"{sum(reader.dead_letters.values())} dead letters, {uncertain} races"
    )
    late = lateness(reader.events, world.grace)
    if late:
        found.notes.append(
            f"verdicts after due + grace: p50 {late[len(late) // 2]:.3f} s, "
            f"p99 {late[len(late) * 99 // 100]:.3f} s, most {late[-1]:.3f} s"
        )
