"""Clocks that are wrong: those of workers and of the database, one by one or all at once."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.world import World

# A sweep that began before the clocks were set right has ended after so long.
_SETTLES = 3.0


class Clocks:
    """The clocks of a run, in seconds ahead of the truth."""

    def __init__(self, world: "World") -> None:
        self.world = world
        # Of the clock of a worker.
        self.least = self.most = 0.0
        self.database_ahead = 0.0
        # Of all clocks at once.
        self.ahead = 0.0

    @property
    def times_are_true(self) -> bool:
        """Whether all clocks and all times of records show the true time."""
        words = self.world.words
        return not (self.least or self.most or words.odd_times or words.clocks_ahead)

    def draw(self) -> float:
        """How far ahead the clock of a worker is."""
        return self.world.rng.uniform(self.least, self.most)

    def step_one(self) -> None:
        process = self.world.rng.choice(self.world.processes.workers)
        if process is not None:
            process.ahead = self.draw()
            self.world.lateness.clock_stepped()
            self.world.count("clock step")
            self.world.note(process, "fault", "clock", process.ahead)

    def set_all(self, ahead: float) -> None:
        self.ahead = ahead
        self.world.lateness.clock_stepped()
        self.world.count("step of all clocks")
        self.world.note(None, "fault", "all clocks", ahead)

    def most_ahead(self, process: Any) -> float:
        """Most seconds by which the clock of a process was ahead; it may have been set since."""
        ahead: float = self.most if "clock step" in self.world.happened else process.ahead
        all_ahead = self.world.words.clocks_ahead
        return ahead + (all_ahead[2] if all_ahead else 0.0)

    def were_ahead(self, at: float) -> bool:
        """Whether a verdict then may have come from clocks that were all ahead."""
        if self.world.words.clocks_ahead is None:
            return False
        since, until, seconds = self.world.words.clocks_ahead
        # By these clocks it was later.
        return since <= at <= until + max(seconds, _SETTLES)

    def are_ahead(self, at: float) -> bool:
        """Whether all clocks were ahead at a true time."""
        ahead = self.world.words.clocks_ahead
        return ahead is not None and ahead[0] <= at <= ahead[1]
