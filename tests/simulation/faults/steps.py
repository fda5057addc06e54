"""Faults at the worker's own steps: its statements, commits, publications, probes and fetches."""

from random import Random
from typing import TYPE_CHECKING

from tests.simulation.database import ERRORS
from tests.simulation.loop import Process

if TYPE_CHECKING:
    from tests.simulation.world import World


class Steps:
    """The steps at which something goes wrong, by their number."""

    def __init__(self, world: "World", rng: Random) -> None:
        self.world = world
        some = rng.choice([0, 0, 1, 2, 4])
        kinds = ["crash", "crash", "freeze", "freeze", "error"]
        self._at_operation = {rng.randint(1, 500): rng.choice(kinds) for _ in range(some)}
        self._at_commit = {
            rng.randint(1, 30): rng.choice(["applied", "not applied", "crash", "freeze"])
            for _ in range(some)
        }
        kinds = ["none", "some", "all", "late", "crash", "freeze"]
        self._at_publish = {rng.randint(1, 6): rng.choice(kinds) for _ in range(some // 2)}
        self._at_probe = {rng.randint(1, 60) for _ in range(some)}
        self._at_pull = {rng.randint(1, 200) for _ in range(some // 2)}
        self._operations = self._commits = self._publishes = self._probes = self._pulls = 0

    def database_operation(self, process: Process, name: str) -> None:
        self._operations += 1
        kind = self._at_operation.get(self._operations)
        if kind == "crash":
            self.world.processes.crash(process)
        elif kind == "freeze":
            self.world.processes.freeze(process)

    def statement_error(self) -> str | None:
        """The SQLSTATE with which a statement fails now."""
        if self._at_operation.get(self._operations) != "error" or self.world.healed:
            return None
        del self._at_operation[self._operations]
        self.world.count("statement error")
        return ERRORS[self._operations % len(ERRORS)]

    def commit_fault(self, process: Process) -> str | None:
        self._commits += 1
        kind = self._at_commit.get(self._commits)
        if kind in ("applied", "not applied") and not self.world.healed:
            self.world.count(f"commit {kind}, outcome unknown")
            return kind
        return None

    def after_commit(self, process: Process) -> None:
        kind = self._at_commit.pop(self._commits, None)
        if kind == "crash":
            self.world.processes.crash(process)
        elif kind == "freeze":
            self.world.processes.freeze(process)

    def publish_fault(self, process: Process) -> str | None:
        self._publishes += 1
        kind = self._at_publish.get(self._publishes)
        if self.world.healed or kind is None:
            return None
        if kind == "crash":
            self.world.later(self.world.latency(), self.world.processes.crash, process)
        elif kind == "freeze":
            self.world.later(self.world.latency(), self.world.processes.freeze, process)
        else:
            self.world.count(f"publish {kind}, outcome unknown")
            return kind
        return None

    def probe_fault(self, process: Process) -> bool:
        self._probes += 1
        return self._disturbs(self._probes in self._at_probe)

    def pull_fault(self, process: Process) -> bool:
        self._pulls += 1
        return self._disturbs(self._pulls in self._at_pull)

    def _disturbs(self, fault: bool) -> bool:
        if fault and not self.world.healed:
            self.world.lateness.disturbed()
            return True
        return False
