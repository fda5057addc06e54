"""Logs: readable by machines, and free of personal data whatever is thrown at them."""

import asyncio
import gc
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import aiokafka.errors
import asyncpg
import pytest
import structlog
from aiokafka.structs import ConsumerRecord, TopicPartition
from pydantic import BaseModel

from worker.errors import Fenced, Halted
from worker.observability import logs, redaction
from worker.records import Record

NAME = "Juana Pérez Quispe"
TEXT = "quiebre de stock del lote azul"
SECRETS = (NAME, TEXT, "Juana", "Quispe", "quiebre", "lote azul", "hunter2")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave the process's hooks as they were."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
    with warnings.catch_warnings():
        yield
    root.handlers[:], root.level = handlers, level
    sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
    logs._configure_structlog("info", "auto", None)


@pytest.fixture
def out() -> io.StringIO:
    """What JSON logs of every level are written to."""
    stream = io.StringIO()
    logs.configure("debug", "json", stream)
    return stream


def entries(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


class Form(BaseModel):
    responsible: int
    text: int


class Colour(StrEnum):
    BLUE = "blue"


@dataclass(frozen=True)
class Hostile:
    """An object whose repr shows everything."""

    responsible: str = NAME

    def __str__(self) -> str:
        return TEXT


def invalid() -> None:
    Form.model_validate({"responsible": NAME, "text": TEXT, NAME: TEXT})


def row_refused() -> None:
    raise asyncpg.exceptions.NotNullViolationError.new(  # type: ignore[no-untyped-call]
        {
            "S": "ERROR",
            "C": "23502",
            "M": f"null value for {NAME}",
            "D": f"Failing row contains ({NAME}, {TEXT}).",
            "t": "refusals",
            "c": "topic",
        }
    )


def argument_refused() -> None:
    raise asyncpg.exceptions.DataError(f"invalid input for query argument $3: {NAME!r}")


def kafka_with_repr() -> None:
    raise aiokafka.errors.KafkaError(f"Unexpected error during coordination {TEXT!r}")


def caused() -> None:
    try:
        invalid()
    except ValueError as error:
        raise Halted("lane 3 halted") from error


def in_context() -> None:
    try:
        row_refused()
    except asyncpg.exceptions.NotNullViolationError:
        raise KeyError(NAME)  # noqa: B904


def grouped() -> None:
    raise ExceptionGroup(TEXT, [ValueError(NAME), ExceptionGroup("inner", [KeyError(TEXT)])])


def noted() -> None:
    error = Fenced("lane 3")
    error.add_note(NAME)
    raise error


def decoding() -> None:
    json.loads('{"responsible": "' + NAME)


def unicode() -> None:
    NAME.encode("ascii")


FAULTS = [
    invalid,
    row_refused,
    argument_refused,
    kafka_with_repr,
    caused,
    in_context,
    grouped,
    noted,
    decoding,
    unicode,
]

RECORD = Record("t", 1, 2, 3, b"o-1", f'{{"responsible":"{NAME}"}}'.encode(), (("x", b"Juana"),))
CONSUMED: ConsumerRecord[bytes, bytes] = ConsumerRecord(
    topic="t",
    partition=1,
    offset=2,
    timestamp=3,
    timestamp_type=0,
    key=b"o-1",
    value=b"Juana",
    checksum=None,
    serialized_key_size=3,
    serialized_value_size=5,
    headers=(),
)


def catch(fault: Callable[[], None]) -> Exception:
    responsible, text = NAME, TEXT  # locals of a frame in the traceback
    try:
        fault()
    except Exception as error:
        return error
    raise AssertionError(responsible, text)


async def every_path(error: Exception) -> None:
    """Log one error, and values full of secrets, in every way there is."""
    log = logs.logger("worker.test").bind(dispute=TEXT)
    # 1. our own entries
    try:
        raise error
    except Exception:
        log.exception("failed", record=RECORD, consumed=CONSUMED)
    log.error("failed", exc_info=error, error=error, errors=[error], stack_info=True)
    log.warning("fields", responsible=NAME, value=NAME, body=TEXT.encode(), headers={"a": NAME})
    log.warning("nested", act={"status": "x", "dispute": {"text": TEXT}, "dispute_text": TEXT})
    log.warning("objects", it=Hostile(), many=[Hostile()], key={Hostile(): 1}, raw=NAME.encode())
    log.warning("url", url="postgresql://plazo:hunter2@db/plazo", q="x?password=hunter2&y=1")
    log.warning("deep", a={"b": {"c": {"d": {"e": {"f": {"g": NAME}}}}}})
    # 2. what libraries log
    library = logging.getLogger("aiokafka.consumer.fetcher")
    library.error("Failed %s: %s %r", TopicPartition("t", 1), error, CONSUMED)
    library.error("Failed %(it)s", {"it": Hostile(), "value": NAME})
    library.error("Count %d", Hostile())
    library.error(error)
    library.error(Hostile())
    library.error("Unexpected error", exc_info=error, extra={"responsible": NAME})
    logging.getLogger("asyncio").error(f"Exception in callback f({NAME!r})\nfuture: {error!r}")
    # 3. the event loop
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    logs.catch_loop_errors(loop)

    async def forgotten() -> None:
        raise error

    def called_back(_name: str) -> None:
        raise error

    try:
        task = asyncio.create_task(forgotten())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        gc.collect()
        loop.call_soon(called_back, NAME)
        await asyncio.sleep(0.01)
        loop.call_exception_handler({"message": f"odd {error!r}", "exception": error, "x": NAME})
    finally:
        loop.set_exception_handler(before)
    # 4. crashes
    sys.excepthook(type(error), error, error.__traceback__)
    threading.excepthook(
        threading.ExceptHookArgs((type(error), error, None, threading.current_thread()))
    )

    class Dying:
        def __del__(self) -> None:
            raise error

    Dying()
    # 5. warnings
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = logs._on_warning
        warnings.warn(f"input_value={NAME!r}", UserWarning, stacklevel=1)
        Form.model_construct(responsible=NAME, text=TEXT).model_dump_json()  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("fmt", ["json", "console"])
async def test_no_personal_data_appears_on_any_path(
    fault: Callable[[], None], fmt: str, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.configure("debug", fmt, None)  # type: ignore[arg-type]
    error = catch(fault)
    await every_path(error)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert type(error).__name__ in shown.err
    assert shown.err.count("event_loop_error") == 3
    for event in ("failed", "crashed", "thread_crashed", "error_in_finalizer", "py.warnings"):
        assert event in shown.err
    for secret in SECRETS:
        assert secret not in shown.err
        assert json.dumps(secret)[1:-1] not in shown.err  # nor escaped


def test_an_entry_is_one_json_line_with_time_level_and_module(out: io.StringIO) -> None:
    structlog.contextvars.bind_contextvars(lane=3)
    try:
        logs.logger("worker.lane").info("taken_over", epoch=7, took=timedelta(seconds=1.5))
    finally:
        structlog.contextvars.clear_contextvars()
    (entry,) = entries(out)
    assert list(entry)[:3] == ["timestamp", "level", "event"]
    stamp = str(entry.pop("timestamp"))
    assert stamp.endswith("Z")
    assert datetime.fromisoformat(stamp).tzinfo == UTC
    assert entry == {
        "level": "info",
        "event": "taken_over",
        "logger": "worker.lane",
        "lane": 3,
        "epoch": 7,
        "took": 1.5,
    }


def test_values_of_plain_types_stay_readable(out: io.StringIO) -> None:
    logs.logger("t").info(
        "shown",
        at=datetime(2026, 11, 22, tzinfo=UTC),
        partition=TopicPartition("orders", 1),
        colour=Colour.BLUE,
        kind=Fenced,
        ratio=float("nan"),
        many=range(3),
        long=list(range(100)),
        line="a\nb\x1b[31m",
    )
    (entry,) = entries(out)
    assert entry["at"] == "2026-11-22T00:00:00+00:00"
    assert entry["partition"] == {"topic": "orders", "partition": 1}
    assert entry["colour"] == "blue"
    assert entry["kind"] == "worker.errors.Fenced"
    assert entry["ratio"] == "nan"
    assert entry["many"] == "<range>"
    assert len(entry["long"]) == 51  # type: ignore[arg-type]
    assert entry["line"] == "a\\x0ab\\x1b[31m"


def test_our_own_messages_and_those_of_the_infrastructure_are_shown() -> None:
    assert redaction.summary(Fenced("lane 3")) == "worker.errors.Fenced: lane 3"
    assert redaction.summary(ConnectionRefusedError(111, "no")) == (
        "ConnectionRefusedError: [Errno 111] no"
    )
    assert "NodeNotReady" in redaction.summary(aiokafka.errors.NodeNotReadyError("node 1"))
    assert redaction.summary(KeyError("x")) == "KeyError"
    assert redaction.summary(catch(row_refused)) == (
        "asyncpg.exceptions.NotNullViolationError [23502]"
    )


def test_an_exception_shows_where_and_why(out: io.StringIO) -> None:
    logs.logger("t").error("failed", exc_info=catch(caused))
    logs.logger("t").error("failed", exc_info=catch(row_refused))
    ours, database = (entry["exception"] for entry in entries(out))
    assert isinstance(ours, dict)
    assert isinstance(database, dict)
    assert ours["type"] == "worker.errors.Halted"
    assert ours["message"] == "lane 3 halted"
    assert ours["frames"][-1].startswith("tests/unit/test_logs.py:")
    assert ours["frames"][-1].endswith(":caused")
    assert ours["cause"]["type"].endswith("ValidationError")
    assert ours["cause"]["frames"][-1].startswith("pydantic/main.py:")
    assert database["sqlstate"] == "23502"
    assert database["table_name"] == "refusals"


def test_endless_causes_and_recursion_stay_short(out: io.StringIO) -> None:
    error = RuntimeError()
    error.__cause__ = error

    def deeper() -> None:
        deeper()

    logs.logger("t").error("failed", exc_info=error)
    logs.logger("t").error("failed", exc_info=catch(deeper))
    assert len(out.getvalue()) < 10_000


@pytest.mark.parametrize(("level", "shown"), [("info", 2), ("warning", 1), ("error", 0)])
def test_the_level_holds_and_libraries_speak_from_warning_on(level: str, shown: int) -> None:
    out = io.StringIO()
    logs.configure(level, "json", out)
    logs.logger("t").info("ours")
    logging.getLogger("aiokafka").info("theirs")
    logging.getLogger("aiokafka").warning("theirs")
    assert len(entries(out)) == shown


def test_auto_is_json_away_from_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "auto")
    logs.logger("t").info("x")
    assert json.loads(capsys.readouterr().err)["event"] == "x"


def test_auto_is_for_people_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    logs.configure("info", "auto", out)
    logs.logger("t").error("failed", exc_info=catch(caused))
    assert "caused by" in out.getvalue()
    assert "\x1b[" in out.getvalue()


def test_a_closed_stream_stops_nobody(out: io.StringIO) -> None:
    out.close()
    logs.logger("t").error("unheard", exc_info=catch(caused))
    logging.getLogger("aiokafka").error("unheard")
