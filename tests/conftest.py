"""Fixtures for tests against real parts. One Kafka and one Postgres serve a whole test run."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import asyncpg
import hypothesis
import pytest

from tests.support import parts
from tests.support.processes import ROOT, WorkerProcess
from tests.support.topics import Topics, create_fresh_topics
from worker.dev.postgres import EmbeddedPostgres

HERE = Path(__file__).parent
# Tests that only their own make target runs, and the most seconds of each.
ON_DEMAND = {"chaos": 400, "cluster": 600, "image": 900, "surroundings": 600}

# Files that take minutes. They start first, so that none is left alone in the end.
LONGEST = (
    "end_to_end/test_verdicts.py",
    "simulation/test_simulation.py",
    "end_to_end/test_field.py",
    "integration/commands/test_dead_letters.py",
    "integration/test_board.py",
    "integration/test_runbooks.py",
)

# The time of an example is that of the machine, which other tests use too.
hypothesis.settings.register_profile("any-machine", deadline=None)
hypothesis.settings.load_profile("any-machine")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "apache_kafka: needs a real Apache Kafka")
    if parts.must_be_apache_kafka() and not parts.apache_kafka_is_here():
        raise pytest.UsageError("Apache Kafka is required here: install Java and Maven")


def pytest_report_header() -> str:
    return parts.report()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.config.get_verbosity() < 0:  # -q, which leaves the header out
        terminalreporter.write_line(parts.report())


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    folder = _on_demand(collection_path)
    named = {_on_demand(Path(argument.partition("::")[0]).resolve()) for argument in config.args}
    return None if folder is None or folder in named else True


def _on_demand(path: Path) -> str | None:
    first = path.relative_to(HERE).parts[:1] if path.is_relative_to(HERE) else ()
    return next((name for name in first if name in ON_DEMAND), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if folder := _on_demand(item.path):
            item.add_marker(pytest.mark.timeout(ON_DEMAND[folder]))
    if not parts.apache_kafka_is_here():
        for item in items:
            if item.get_closest_marker("apache_kafka"):
                item.add_marker(pytest.mark.skip(reason="no Apache Kafka here"))
    rank = {HERE / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(scope="session")
async def kafka() -> AsyncIterator[parts.Kafka]:
    """A running broker. A test that stops, kills or pauses it must leave it running."""
    broker = parts.new_kafka()
    await broker.start()
    yield broker
    await parts.discard(broker)


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[EmbeddedPostgres]:
    """A running Postgres. A test that stops or kills it must leave it running."""
    async with EmbeddedPostgres(settings={"max_connections": 200}, trust=True) as server:
        yield server


@pytest.fixture
async def database(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """Address of an empty database, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    await _execute(postgres.url, f"CREATE DATABASE {name}")
    yield postgres.url_of(name)
    await _execute(postgres.url, f"DROP DATABASE {name} WITH (FORCE)")


class MakeTopics(Protocol):
    """Creates four fresh topics of these widths; decisions as wide as created unless given."""

    async def __call__(
        self,
        created: int = 3,
        status: int = 3,
        decisions: int | None = None,
        dead_letters: int = 1,
    ) -> Topics: ...


@pytest.fixture
def make_topics(kafka: parts.Kafka) -> MakeTopics:
    return partial(create_fresh_topics, kafka.bootstrap_servers)


@pytest.fixture
async def topics(make_topics: MakeTopics) -> Topics:
    """Four fresh topics: three partitions each, one for dead letters."""
    return await make_topics()


@pytest.fixture
def new_worker(
    kafka: parts.Kafka, database: str, tmp_path: Path
) -> Iterator[Callable[..., WorkerProcess]]:
    """``new_worker(topics, **variables)``: a worker process, not yet started.

    All of one test share a group and the database; ``grace="PT1S"`` sets ``PLAZO_GRACE``. Those
    that still run when the test ends are killed.
    """
    workers: list[WorkerProcess] = []
    group = f"test-{uuid.uuid4().hex[:8]}"

    def make(
        topics: Topics,
        code: Path = ROOT,
        arguments: Sequence[str] = ("run",),
        **variables: str,
    ) -> WorkerProcess:
        environment = {
            "PLAZO_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "PLAZO_KAFKA_IDEMPOTENCE": str(kafka.idempotence),
            "PLAZO_DATABASE_URL": database,
            "PLAZO_GROUP_ID": group,
            **topics.environment(),
            **{f"PLAZO_{name.upper()}": value for name, value in variables.items()},
        }
        name = f"worker-{len(workers)}"
        workers.append(
            WorkerProcess(tmp_path, environment, name=name, code=code, arguments=arguments)
        )
        return workers[-1]

    yield make
    for worker in workers:
        worker.kill_if_alive()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
