"""Servers that are away: Kafka, its group, and Postgres, which may lose its last commits."""

from typing import TYPE_CHECKING, Any

from worker.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from tests.simulation.world import World


class Outages:
    """The outages of a run."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self._down_until = 0.0
        self._remembered: list[Any] = []

    def rebalance(self) -> None:
        self.world.count("rebalance")
        self.world.note(None, "fault", "rebalance", None)
        self.world.broker.group.rebalance()

    def database_away(self) -> None:
        seconds = self.world.rng.choice([0.01, self.world.rng.uniform(0.1, 6)])
        self.world.count("database outage")
        self.world.note(None, "fault", "database", seconds)
        self._down_until = self.world.loop.now + seconds
        self.world.lateness.disturbed(self._down_until)
        for tx in list(self.world.database.open):
            self.world.database.end(tx, "aborted")

    def kafka_away(self) -> None:
        seconds = self.world.rng.uniform(0.1, 6)
        self.world.count("kafka outage")
        self.world.note(None, "fault", "kafka", seconds)
        self.world.broker.down_until = self.world.loop.now + seconds
        self.world.lateness.disturbed(self.world.broker.down_until)
        # What was acknowledged and what not is unknown to a client that is cut off.

    def remember(self) -> None:
        self._remembered.append(self.world.database.state())

    def fail_over(self) -> None:
        self.world.count("failover")
        self.world.note(None, "fault", "failover", None)
        self.world.database.fail_over(self._remembered.pop())
        self.world.lateness.failed_over()

    def database_down(self) -> bool:
        return self.world.loop.now < self._down_until

    async def reach_database(self) -> None:
        await self.world.travel()
        if self.database_down():
            raise DatabaseUnavailable("SimulatedError", "08006")

    def end(self) -> None:
        """All servers are there from now on."""
        self._down_until = 0.0
        self.world.broker.down_until = 0.0
