"""The many ways in which sellers and systems behave, by name.

Each says what is published, when, and through which partitioner, and beside it what that record
means to the judge.
"""

from collections.abc import Callable
from datetime import timedelta

from .plan import Plan

TICK = timedelta(microseconds=1)
FORM = {"text": "No stock left", "type": "CS", "responsible": "Ana Quispe"}
BAD_STOCK = ((False, True, True), (True, False, True), (True, True, False), (False, False, False))

Behaviour = Callable[[Plan], None]
BEHAVIOURS: dict[str, Behaviour] = {}


def behaviour(of: Behaviour) -> Behaviour:
    """Name a way in which a seller or a system behaves."""
    BEHAVIOURS[of.__name__.replace("_", " ")] = of
    return of


# Sellers that keep the rule.


@behaviour
def confirms_in_time(plan: Plan) -> None:
    plan.created()
    plan.act("start-handling", plan.in_time, stock=(True, True, True))


@behaviour
def confirms_exactly_at_due(plan: Plan) -> None:
    plan.created()
    plan.act("start-handling", plan.world.window)


@behaviour
def only_a_later_status_arrives(plan: Plan) -> None:
    plan.created()
    status = plan.random.choice(["handling", "ready-for-invoicing", "invoice", "invoiced"])
    plan.act(status, plan.in_time)


@behaviour
def cancels_with_the_form(plan: Plan) -> None:
    plan.created()
    plan.act("canceled", plan.in_time, form=FORM)


@behaviour
def cancels_with_fields_missing(plan: Plan) -> None:
    plan.created()
    plan.act("canceled", plan.in_time, form={"text": "No stock", "type": "CS"})


@behaviour
def customer_cancels(plan: Plan) -> None:
    plan.created()
    plan.act("canceled", plan.in_time)


@behaviour
def confirms_in_the_last_instant_before_the_verdict(plan: Plan) -> None:
    """In time by its own clock, published in the grace: the proof of freshness must see it."""
    plan.created()
    grace = plan.world.grace.total_seconds()
    plan.act("start-handling", plan.in_time, plan.window + plan.random.uniform(0, grace * 0.9))


# Sellers that do not.


@behaviour
def silent(plan: Plan) -> None:
    plan.created()


@behaviour
def silent_but_for_other_statuses(plan: Plan) -> None:
    plan.created()
    for status in ("payment-approved", "ready-for-handling", "cancellation-requested"):
        plan.act(status, plan.in_time)


@behaviour
def handles_without_stock(plan: Plan) -> None:
    plan.created()
    plan.act("start-handling", plan.in_time, stock=plan.random.choice(BAD_STOCK))


@behaviour
def handles_without_stock_and_disputes(plan: Plan) -> None:
    plan.created()
    plan.act("start-handling", 1.0, stock=plan.random.choice(BAD_STOCK))
    plan.act("dispute-opened", 2.0, form=FORM)


@behaviour
def handles_without_stock_and_resolves(plan: Plan) -> None:
    plan.created()
    plan.act("dispute-resolved", 3.0)
    plan.act("dispute-opened", 2.0, form=FORM)
    plan.act("start-handling", 1.0, stock=plan.random.choice(BAD_STOCK))


@behaviour
def handles_without_stock_and_cancels(plan: Plan) -> None:
    plan.created()
    plan.act("start-handling", 1.0, stock=plan.random.choice(BAD_STOCK))
    plan.act("canceled", 3.0, form=FORM)


@behaviour
def disputes(plan: Plan) -> None:
    plan.created()
    plan.act("start-handling", 1.0)
    plan.act("dispute-opened", 2.0, form=FORM)


@behaviour
def handles_one_microsecond_late(plan: Plan) -> None:
    plan.created()
    plan.act("start-handling", plan.world.window + TICK)


@behaviour
def handles_late_in_the_grace(plan: Plan) -> None:
    plan.created()
    plan.act("start-handling", plan.window + 0.3, plan.window + 0.4)


@behaviour
def cancels_late_in_the_grace(plan: Plan) -> None:
    plan.created()
    plan.act("canceled", plan.window + 0.3, plan.window + 0.4, form=FORM)


@behaviour
def disputes_late_in_the_grace(plan: Plan) -> None:
    plan.created()
    plan.act("start-handling", plan.in_time)
    plan.act("dispute-opened", plan.window + 0.3, plan.window + 0.4, form=FORM)


# After the verdict.


@behaviour
def evidence_arrives_late(plan: Plan) -> None:
    plan.created()
    plan.act("start-handling", plan.in_time, 0.2, after_verdict=True)


@behaviour
def evidence_of_missing_stock_arrives_late(plan: Plan) -> None:
    plan.created()
    plan.act("handling", plan.in_time, 0.2, after_verdict=True, stock=plan.random.choice(BAD_STOCK))


@behaviour
def evidence_of_a_dispute_arrives_late_and_then_its_resolution(plan: Plan) -> None:
    plan.created()
    plan.act("dispute-opened", 2.0, 0.2, after_verdict=True, form=FORM)
    plan.act("dispute-resolved", 3.0, 1.0, after_verdict=True)
    plan.act("start-handling", 1.0, 1.5, after_verdict=True)


@behaviour
def handles_after_the_verdict(plan: Plan) -> None:
    plan.created()
    message = plan.act("start-handling", plan.window + 2.0, 0.1, after_verdict=True)
    plan.after_verdict.append((0.8, message))


@behaviour
def disputes_after_the_verdict(plan: Plan) -> None:
    plan.created()
    plan.act("dispute-opened", plan.window + 2.0, 0.1, after_verdict=True, form=FORM)


@behaviour
def cancels_after_the_verdict(plan: Plan) -> None:
    plan.created()
    plan.act("canceled", plan.window + 2.0, 0.1, after_verdict=True, form=FORM)


@behaviour
def everything_after_the_verdict_and_then_evidence(plan: Plan) -> None:
    plan.created()
    plan.act("handling", plan.window + 2.0, 0.1, after_verdict=True)
    plan.act("dispute-opened", plan.window + 3.0, 0.2, after_verdict=True, form=FORM)
    plan.act("start-handling", plan.in_time, 1.2, after_verdict=True, partitioner="foreign")


@behaviour
def evidence_races_the_verdict(plan: Plan) -> None:
    plan.created()
    fires = plan.window + plan.world.grace.total_seconds()
    plan.act("start-handling", plan.in_time, fires + plan.random.uniform(-0.1, 0.4))


@behaviour
def late_handling_races_the_verdict(plan: Plan) -> None:
    plan.created()
    fires = plan.window + plan.world.grace.total_seconds()
    plan.act("start-handling", plan.window + 0.5, fires + plan.random.uniform(-0.1, 0.4))


# Systems.


@behaviour
def status_arrives_before_the_order(plan: Plan) -> None:
    plan.created(2.0)
    plan.act("start-handling", plan.in_time, 0.1)


@behaviour
def order_arrives_after_its_deadline(plan: Plan) -> None:
    plan.created(plan.window + 2.0)
    plan.act("start-handling", plan.in_time, 0.1)


@behaviour
def silent_order_arrives_after_its_deadline(plan: Plan) -> None:
    plan.created(plan.window + 2.0)


@behaviour
def everything_is_published_twice(plan: Plan) -> None:
    plan.again(plan.created(), 0.5)
    message = plan.act("start-handling", plan.in_time, 1.0, stock=(True, True, True))
    plan.again(message, 1.2)
    plan.again(message, plan.window + 3.0)


@behaviour
def a_silent_order_is_published_twice(plan: Plan) -> None:
    message = plan.created()
    plan.again(message, 1.0)
    plan.again(message, plan.window + 3.0)


@behaviour
def act_goes_to_a_foreign_partition(plan: Plan) -> None:
    plan.created()
    plan.act("start-handling", plan.in_time, partitioner="foreign")


@behaviour
def act_goes_to_a_foreign_partition_in_the_last_instant(plan: Plan) -> None:
    plan.created()
    plan.act("start-handling", plan.in_time, plan.window + 0.8, partitioner="foreign")


@behaviour
def act_goes_by_crc32(plan: Plan) -> None:
    plan.created()
    plan.act("canceled", plan.in_time, partitioner="crc32", form=FORM)


@behaviour
def late_evidence_goes_to_a_foreign_partition(plan: Plan) -> None:
    plan.created()
    plan.act("canceled", plan.in_time, 0.3, after_verdict=True, partitioner="foreign")


@behaviour
def structured_mode(plan: Plan) -> None:
    plan.created()
    plan.act("start-handling", plan.in_time, structured=True)


@behaviour
def only_unreadable_records(plan: Plan) -> None:
    plan.created()
    plan.poison()


@behaviour
def unreadable_records_before_the_order(plan: Plan) -> None:
    plan.poison(0.0)
    plan.poison(0.1)
    plan.created(1.0)


@behaviour
def unreadable_records_beside_good_ones(plan: Plan) -> None:
    plan.created()
    plan.poison()
    plan.act("start-handling", plan.in_time)


@behaviour
def unreadable_record_and_then_late_evidence(plan: Plan) -> None:
    plan.created()
    plan.poison()
    plan.act("canceled", plan.in_time, 0.2, after_verdict=True, form=FORM)


@behaviour
def a_record_is_unreadable_after_the_verdict(plan: Plan) -> None:
    plan.created()
    plan.after_verdict.append((0.2, plan.world.poison(plan.order)))


@behaviour
def one_record_names_two_orders(plan: Plan) -> None:
    plan.created()
    other = plan.world.add_order(plan.order)
    plan.steps.append((plan.start + 0.1, plan.world.created(other)))
    plan.steps.append((plan.start + 1.0, plan.world.poison(plan.order, other)))


@behaviour
def the_order_itself_is_unreadable(plan: Plan) -> None:
    plan.steps.append((plan.start, plan.world.unreadable_order(plan.order)))
    plan.act("start-handling", plan.in_time)


@behaviour
def the_order_is_unreadable_at_first(plan: Plan) -> None:
    plan.steps.append((plan.start, plan.world.unreadable_order(plan.order)))
    plan.created(1.0)


@behaviour
def the_order_is_readable_after_the_verdict(plan: Plan) -> None:
    plan.steps.append((plan.start, plan.world.unreadable_order(plan.order)))
    plan.after_verdict.append((0.5, plan.world.created(plan.order)))


@behaviour
def acts_without_an_order(plan: Plan) -> None:
    plan.act("canceled", plan.in_time)
    plan.act("dispute-opened", plan.in_time)
