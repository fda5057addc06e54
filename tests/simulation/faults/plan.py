"""The plan of a run: when each record is sent, and when each fault happens."""

from typing import TYPE_CHECKING

from tests.simulation.faults.steps import Steps
from tests.simulation.scenario.records import STATUS
from tests.simulation.scenario.rules import HEAL

if TYPE_CHECKING:
    from tests.simulation.world import World


def plan(world: "World") -> None:
    """Draw what happens in a world, and have it happen at its time."""
    rng, scenario, words = world.rng, world.scenario, world.words
    clocks, processes, outages, losses = world.clocks, world.processes, world.outages, world.losses
    world.slow = rng.choice([0.0, 0.01, 0.05, 0.15])
    moments = [order.due + scenario.grace for order in scenario.orders.values()]

    def moment() -> float:
        """Half of all faults fall about a deadline."""
        if rng.random() < 0.5 and moments:
            return min(max(0.5, rng.choice(moments) + rng.uniform(-2, 3)), HEAL - 1)
        return rng.uniform(0.5, HEAL - 1)

    skew = rng.randrange(4)
    clocks.least, clocks.most = [(0, 0), (0, 0), (-4, 15), (-4, 0)][skew]
    if skew == 3:
        clocks.database_ahead = rng.uniform(-2, 5)
    elif skew == 2:
        clocks.database_ahead = rng.uniform(-2, 0)
    if skew >= 2:
        for _ in range(rng.randint(0, 3)):
            world.later(moment(), clocks.step_one)
    for log in world.broker.logs.values():
        if log.topic not in world.settings.input_topics:
            continue
        if rng.random() < 0.25:
            log.lag = rng.choice([0.3, 1.5, 6.0])
        if rng.random() < 0.2:
            world.later(moment(), losses.stall, log, rng.uniform(1, 12))
    for partition, begin in scenario.begins.items():
        world.broker.logs[STATUS, partition].begin = begin
    for _ in range(rng.choice([0, 0, 1, 2, 4])):
        fault = rng.choice([
            processes.crash_one, processes.crash_one, processes.freeze_one, processes.freeze_one,
            processes.stop_one, outages.rebalance, outages.database_away, outages.kafka_away,
        ])  # fmt: skip
        world.later(moment(), fault)
    world.steps = Steps(world, rng)
    for number in range(scenario.workers):
        world.later(rng.uniform(0, 3), processes.start, number)
    for send in scenario.sends:
        if send.at < 0:
            world.send(send)
        else:
            world.later(send.at, world.send, send)
    for producing, transaction in zip(scenario.transactions, world.transactions, strict=True):
        state = "committed" if producing.commits else "aborted"
        world.later(producing.ends, world.broker.end_transaction, transaction, state)
    for at, lost in words.lost_commits:
        world.later(at - lost, outages.remember)
        world.later(at, outages.fail_over)
    if words.widened is not None and scenario.proof == "all":
        world.later(words.widened, losses.widen)
    for loss in words.losses:
        world.later(losses.when(loss), losses.lose, loss)
    if words.clocks_ahead is not None:
        since, until, seconds = words.clocks_ahead
        world.later(since, clocks.set_all, seconds)
        world.later(until, clocks.set_all, 0.0)
