"""What a real Postgres and the lack of one make `plazo check` and the other commands say."""

import json
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from worker.dev.process import free_port
from worker.storage.migrate import migrate

NewWorker = Callable[..., WorkerProcess]


async def checked(new_worker: NewWorker, topics: Topics, url: str, **more: str) -> dict[str, str]:
    command = new_worker(topics, arguments=("check", "--json"), database_url=url, **more)
    assert await command.start().wait() in (1, 4), command.output
    found = json.loads(command.stdout_file.read_text())["checks"]
    (one,) = (each for each in found if each["name"] in ("postgres", "kafka")
              and each["status"] == "fault")  # fmt: skip
    assert one["cure"]
    assert "SQLSTATE" not in one["finding"]
    return dict(one)


@pytest.mark.parametrize(
    ("role", "name", "port", "words"),
    [
        ("postgres", "nowhere", None, "there is no such database: "),
        ("nobody", None, None, "the server does not let the role in from here: "),
        ("postgres", None, "free", "nothing listens there: "),
    ],
)
async def test_each_cause_is_told_with_host_database_and_role(
    role: str, name: str | None, port: str | None, words: str, new_worker: NewWorker,
    topics: Topics, database: str,
) -> None:  # fmt: skip
    parts = urlsplit(database)
    path = name or parts.path.lstrip("/")
    number = free_port() if port else parts.port
    url = f"postgresql://{role}@{parts.hostname}:{number}/{path}"
    found = await checked(new_worker, topics, url)
    assert found["finding"] == f"{words}{parts.hostname}:{number}, database {path}, role {role}"
    other = new_worker(topics, arguments=("migrate", "--json"), database_url=url)
    assert await other.start().wait() == 4
    line = json.loads(other.output.splitlines()[-1])
    assert words in line["message"]
    assert line["status"] == 4


async def test_brokers_that_nobody_started(
    new_worker: NewWorker, topics: Topics, database: str
) -> None:
    await migrate(database)
    server = f"127.0.0.1:{free_port()}"
    found = await checked(new_worker, topics, database, kafka_bootstrap_servers=server)
    assert found["finding"].startswith(f"{server}: nothing listens there")


async def test_migrate_tells_programs_the_schema(
    new_worker: NewWorker, topics: Topics, database: str
) -> None:
    command = new_worker(topics, arguments=("migrate", "--json"))
    assert await command.start().wait() == 0, command.output
    assert json.loads(command.stdout_file.read_text())["schema"].isdigit()
