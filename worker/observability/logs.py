"""Logs: one entry per event on stderr, JSON or console, with no personal data in them.

Names, dispute texts and passwords are kept out in three ways. Exceptions show their types and
frames; a message only where the class is known to quote no record and no row. Values that are
neither text, number nor time show as their type. Fields with telling names are redacted.
What libraries log, and what crashes print, takes the same way.
"""

import asyncio
import json
import logging
import math
import re
import sys
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import date, timedelta
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, TextIO, cast
from uuid import UUID

import structlog

REDACTED = "[redacted]"

_SENSITIVE = frozenset({"responsible", "dispute", "text", "form"}) | frozenset(
    {"body", "headers", "payload", "value", "values", "database_url", "dsn", "password", "secret"}
)

# Classes whose messages tell of hosts, topics and settings only. Known by name, since only the
# modules at the edge import the clients. KafkaError itself is missing on purpose: aiokafka puts
# the repr of any exception into it. pydantic's and asyncpg's errors quote values.
_PLAIN_MESSAGES = frozenset({"OSError", "worker.errors.PlazoError"})
_KAFKA_ERROR = "aiokafka.errors.KafkaError"

_PASSWORD_IN_URL = re.compile(r"(\w+://[^\s:/@]*:)[^\s@]*@")
_PASSWORD_IN_QUERY = re.compile(r"(password=)[^\s&]+", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_REPR = re.compile(r"""[\[({<'"]""")

_ROOT = Path(__file__).parents[2]
_TEXT, _ITEMS, _DEPTH, _FRAMES = 1000, 50, 5, 20

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_Event = MutableMapping[str, Any]


class Logger(Protocol):
    """What modules log with: a constant event, and fields. No positional arguments: they would
    be put into the text before anything could be redacted."""

    def debug(self, event: str, /, **fields: object) -> Any: ...
    def info(self, event: str, /, **fields: object) -> Any: ...
    def warning(self, event: str, /, **fields: object) -> Any: ...
    def error(self, event: str, /, **fields: object) -> Any: ...
    def critical(self, event: str, /, **fields: object) -> Any: ...

    def exception(self, event: str, /, **fields: object) -> Any:
        """Log an error together with the exception being handled."""

    def bind(self, **fields: object) -> "Logger":
        """A logger that adds these fields to each entry."""
        ...


def logger(name: str) -> Logger:
    """The logger of a module; call it with ``__name__``."""
    return cast("Logger", structlog.get_logger(name))


def configure(
    level: str = "info",
    fmt: Literal["auto", "json", "console"] = "auto",
    stream: TextIO | None = None,
) -> None:
    """Send all logs, warnings and crashes of the process down one pipeline.

    ``stream`` defaults to stderr: stdout belongs to the output of commands.
    """
    _configure_structlog(level, fmt, stream)
    root = logging.getLogger()
    root.handlers[:] = [_Bridge(logging.WARNING)]
    root.setLevel(logging.WARNING)
    sys.excepthook = _on_crash
    sys.unraisablehook = _on_unraisable
    threading.excepthook = _on_thread_crash
    warnings.showwarning = _on_warning


def _configure_structlog(level: str, fmt: str, stream: TextIO | None) -> None:
    terminal = _Sink(stream).is_terminal()
    console = fmt == "console" or (fmt == "auto" and terminal)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _clean,
            _console(colors=terminal) if console else _json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda name="", *_: _Sink(stream, name),
        cache_logger_on_first_use=False,
    )


def catch_loop_errors(loop: asyncio.AbstractEventLoop) -> None:
    """Log what the event loop could deliver to nobody, such as errors of forgotten tasks."""
    loop.set_exception_handler(_on_loop_error)


def summary(error: BaseException) -> str:
    """An exception in one line, safe to show: its class, and its message where that is safe."""
    text = _name(type(error))
    if sqlstate := _plain(error, "sqlstate"):
        text += f" [{sqlstate}]"
    if message := _message(error):
        text += f": {message}"
    return text


def describe(error: BaseException, depth: int = _DEPTH) -> dict[str, object]:
    """An exception as fields, safe to show: classes and frames, all the way down its causes."""
    entry: dict[str, object] = {"type": _name(type(error))}
    if message := _message(error):
        entry["message"] = message
    # Postgres' own words quote the row; the code and the names of schema objects do not.
    for name in ("sqlstate", "table_name", "column_name", "constraint_name"):
        if found := _plain(error, name):
            entry[name] = found
    entry["frames"] = list(_frames(error.__traceback__))
    if depth > 1:
        if isinstance(error, BaseExceptionGroup):
            entry["errors"] = [describe(e, depth - 1) for e in error.exceptions[:_ITEMS]]
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is not None:
            entry["cause"] = describe(cause, depth - 1)
    return entry


def _message(error: BaseException) -> str:
    ancestors = [_name(cls) for cls in type(error).__mro__]
    if _PLAIN_MESSAGES.isdisjoint(ancestors) and _KAFKA_ERROR not in ancestors[1:]:
        return ""
    try:
        return _text(str(error))
    except Exception:
        return ""


def _plain(error: BaseException, attribute: str) -> str:
    found = getattr(error, attribute, None)
    return _text(found) if isinstance(found, str) else ""


def _name(cls: type) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"


def _frames(trace: TracebackType | None) -> Iterator[str]:
    """``file:line:function``, innermost last. Neither locals nor source lines."""
    for frame, line in deque(traceback.walk_tb(trace), maxlen=_FRAMES):
        yield f"{_file(frame.f_code.co_filename)}:{line}:{frame.f_code.co_name}"


def _file(name: str) -> str:
    """The path as the project or the package knows it, without where it is installed."""
    path = Path(name)
    if "site-packages" in path.parts:
        return "/".join(path.parts[path.parts.index("site-packages") + 1 :])
    if path.is_relative_to(_ROOT):
        return path.relative_to(_ROOT).as_posix()
    return "/".join(path.parts[-2:])


def _text(text: str) -> str:
    """Text on one line, bounded, without the password of a URL."""
    text = _PASSWORD_IN_URL.sub(r"\1***@", text[: 4 * _TEXT])
    text = _PASSWORD_IN_QUERY.sub(r"\1***", text)
    if len(text) > _TEXT:
        text = text[:_TEXT] + "…"
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _safe(value: object, depth: int = _DEPTH) -> object:  # noqa: PLR0912
    """A value as it may be shown. No code of an unknown class runs: not even its repr."""
    match value:
        case Enum():
            return _safe(value.value, depth)
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case str():
            return _text(str.__str__(value))
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} bytes>"
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Path() | UUID():
            return _text(str(value))
        case BaseException():
            return summary(value)
        case type():
            return _name(value)
        case dict() if depth:
            return _fields(value, depth - 1)
        case tuple() if depth and hasattr(value, "_fields"):
            return _fields(dict(zip(value._fields, value, strict=False)), depth - 1)
        case list() | tuple() | set() | frozenset() if depth:
            shown = [_safe(item, depth - 1) for item, _ in zip(value, range(_ITEMS), strict=False)]
            return [*shown, "…"] if len(value) > _ITEMS else shown
    return f"<{type(value).__name__}>"


def _fields(fields: Mapping[Any, object], depth: int = _DEPTH) -> dict[str, object]:
    shown: dict[str, object] = {}
    for (key, value), _ in zip(fields.items(), range(_ITEMS), strict=False):
        name = str(_safe(key, 0))
        shown[name] = REDACTED if _telling(name, value) else _safe(value, depth)
    return shown


def _telling(key: str, value: object) -> bool:
    key = key.lower()
    if key in _SENSITIVE:
        return True
    # `dispute_text` is, as is `seller-responsible`; a count of open disputes is not.
    words = re.split(r"[^a-z0-9]+", key)
    return not _SENSITIVE.isdisjoint(words) and not isinstance(value, int | float | None)


def _clean(sink: "_Sink", _method: str, event: _Event) -> _Event:
    """The processor after which an entry holds nothing but safe values."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    event.pop("stack_info", None)
    first = {key: event.pop(key, "") for key in ("timestamp", "level", "event")}
    entry: _Event = {**_fields(first), "logger": sink.name, **_fields(event)}
    if isinstance(error, BaseException):
        entry["exception"] = describe(error)
    return entry


def _json(_logger: object, _method: str, event: _Event) -> str:
    return json.dumps(event)


def _console(colors: bool) -> structlog.typing.Processor:
    renderer = structlog.dev.ConsoleRenderer(colors=colors)

    def render(log: Any, method: str, event: _Event) -> str:
        if isinstance(error := event.get("exception"), dict):
            event["exception"] = "\n".join(_lines(error))
        return str(renderer(log, method, event))

    return render


def _lines(error: dict[str, Any], indent: str = "  ") -> Iterator[str]:
    names = ("sqlstate", "table_name", "column_name", "constraint_name")
    more = " ".join(f"{name}={error[name]}" for name in names if name in error)
    message = f": {error['message']}" if "message" in error else ""
    yield f"{indent}{error['type']}{message}{more and f' [{more}]'}"
    for frame in error["frames"]:
        yield f"{indent}  at {frame}"
    for other in error.get("errors", ()):
        yield from _lines(other, indent + "  | ")
    if "cause" in error:
        yield f"{indent}caused by"
        yield from _lines(error["cause"], indent)


class _Sink:
    """Where entries are written. A log that cannot be written must not stop the worker."""

    _lock = threading.Lock()

    def __init__(self, stream: TextIO | None, name: str = "") -> None:
        self.name = name
        self._stream = stream

    def is_terminal(self) -> bool:
        stream = self._stream or sys.stderr
        return stream is not None and stream.isatty()

    def _write(self, line: str) -> None:
        stream = self._stream or sys.stderr
        try:
            with self._lock:
                stream.write(line + "\n")
                stream.flush()
        except Exception:  # a full disk, a closed pipe, no stderr at all
            return

    debug = info = warning = error = critical = _write


class _Bridge(logging.Handler):
    """Hands what libraries log over to our pipeline."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
            log = structlog.get_logger(record.name)
            log.log(level, _told(record), exc_info=record.exc_info)
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say that an entry was lost; the standard would print its arguments."""
        structlog.get_logger(record.name).error("log_entry_lost")


def _told(record: logging.LogRecord) -> str:
    """A library's message with its arguments made safe."""
    if not isinstance(record.msg, str):
        return str(_safe(record.msg))
    if not record.args:
        return _without_reprs(record.msg)
    args: Any
    if isinstance(record.args, Mapping):
        args = _fields(record.args)
    else:
        args = tuple(_safe(arg) for arg in record.args)
    try:
        return str(record.msg % args)
    except (TypeError, ValueError, KeyError):  # a number was asked for, and is not shown
        return record.msg


def _without_reprs(message: str) -> str:
    """The constant beginning of a message that was put together by its author.

    asyncio's show callbacks with their arguments, and tasks with their errors.
    """
    return _REPR.split(message.partition("\n")[0], maxsplit=1)[0].rstrip()


def _on_crash(cls: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(cls, KeyboardInterrupt):
        logger(__name__).warning("interrupted")
    else:
        logger(__name__).critical("crashed", exc_info=error.with_traceback(trace))


def _on_thread_crash(args: threading.ExceptHookArgs) -> None:
    thread = args.thread.name if args.thread else None
    logger(__name__).critical("thread_crashed", thread=thread, exc_info=args.exc_value)


def _on_unraisable(args: "sys.UnraisableHookArgs") -> None:
    logger(__name__).error("error_in_finalizer", exc_info=args.exc_value, of=type(args.object))


def _on_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    # The message stays out: pydantic's warnings quote values.
    logger("py.warnings").warning("warning", category=category, at=f"{_file(filename)}:{lineno}")


def _on_loop_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    task = context.get("task") or context.get("future")
    logger(__name__).error(
        "event_loop_error",
        detail=_without_reprs(str(context.get("message", ""))),
        task=task.get_name() if isinstance(task, asyncio.Task) else None,
        exc_info=context.get("exception"),
    )


# structlog's own defaults print locals: be safe from the first import on.
_configure_structlog("info", "auto", None)
