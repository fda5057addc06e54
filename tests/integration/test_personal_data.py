"""Promise 7: a name and a dispute text are planted; no output of the worker shows them."""

from collections.abc import Callable

import asyncpg
import pytest

from tests.support.market import Market
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.storage.migrate import migrate

NAME = "Zoraida Quispe-Mamani"
TEXT = "el cliente lloró por teléfono"
FORM = {"dispute": {"text": TEXT, "type": "CS", "responsible": NAME}}

NewWorker = Callable[..., WorkerProcess]


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_no_output_shows_personal_data(
    new_worker: NewWorker, kafka: Kafka, topics: Topics, database: str, log_format: str
) -> None:
    await migrate(database)
    market = Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)
    worker = new_worker(
        topics, stock_window="PT3S", grace="PT0S", log_level="debug", log_format=log_format
    )
    await worker.start().wait_ready()
    shown = []

    # Success: a cancellation with its form, a dispute that is escalated.
    await market.publish(market.order("a"), market.act("a", "canceled", **FORM))
    await market.publish(market.order("b"), market.act("b", "dispute-opened", **FORM))
    # Refusal: of the form itself, of what stands beside it, of the whole text.
    bad_form = {"dispute": {"text": TEXT, "type": 7, "responsible": NAME}}
    await market.publish(market.order("c"), market.act("c", "canceled", **bad_form))
    await market.publish(market.act(NAME, "canceled", validation=TEXT))
    topic = topics.order_status_changed
    await market.publish((topic, "d", f'{{"responsible": "{NAME}", "{TEXT}"'.encode()))
    await market.told("b escalation dispute-open", "c escalation unreadable-evidence")
    shown.append((await worker.get("/metrics"))[1])

    # A database error whose detail quotes the row.
    connection = await asyncpg.connect(database)
    await connection.execute("ALTER TABLE acts ADD CONSTRAINT no CHECK (order_id <> 'e') NOT VALID")
    await market.publish(market.order("f"), market.act("f", "canceled", **FORM))
    await market.publish(market.act("e", "canceled", **FORM))
    await eventually(lambda: "lane_failing" in worker.output, 30, "the error was met")
    shown.append((await worker.get("/readyz"))[1])
    await connection.execute("ALTER TABLE acts DROP CONSTRAINT no")
    # And one that Postgres raises as an exception with the row in its text.
    await connection.execute(
        "CREATE FUNCTION quote() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'cannot store %', NEW.body USING ERRCODE = '22000'; END $$;"
        "CREATE TRIGGER quote BEFORE INSERT ON acts FOR EACH ROW WHEN (NEW.order_id = 'g') "
        "EXECUTE FUNCTION quote()"
    )
    await connection.close()
    await market.publish(market.act("g", "canceled", **FORM))
    key = 'plazo_dead_letters_total{error="database"}'
    await eventually(lambda: _is(worker, key, 1), 30, "the row was refused")
    await worker.wait_ready()
    shown.append((await worker.get("/metrics"))[1])

    # A crash: the interpreter dies on a signal it does not handle, in the middle of its work.
    await market.publish(*(market.act(f"x{n}", "canceled", **FORM) for n in range(100)))
    worker.sigkill()

    shown.append(worker.output)
    for record in await market.dead_letters():
        # The value is the record as it came; all that we add must be clean.
        shown += [f"{name}: {value!r}" for name, value in record.headers]
    for decision in await market.decisions():
        shown.append(str(decision.value))
    everything = "\n".join(shown)
    assert "verdict" in everything
    assert "unreadable-evidence" in everything
    for secret in (NAME, TEXT, "Zoraida", "Quispe", "lloró"):
        assert secret not in everything, f"{secret!r} in …{_around(everything, secret)}…"


async def _is(worker: WorkerProcess, key: str, value: float) -> bool:
    return (await worker.metrics()).get(key) == value


def _around(text: str, word: str) -> str:
    at = text.index(word)
    return text[max(0, at - 200) : at + 100]
