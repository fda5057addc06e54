"""Logs: one entry per event on stderr, as JSON or for a console.

All entries of the process take one pipeline, also those of libraries and crashes. It redacts
personal data, see :mod:`worker.observability.redaction`.
"""

import asyncio
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, MutableMapping
from types import TracebackType
from typing import Any, Literal, Protocol, TextIO, cast

import structlog

from worker.observability.redaction import constant_part, describe, safe, safe_fields, short_path

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_Event = MutableMapping[str, Any]


class Logger(Protocol):
    """Logs a constant event with fields.

    It takes no positional arguments: they would enter the text before the redaction.
    """

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
    """Log errors that the event loop can deliver to no caller, such as those of lost tasks."""
    loop.set_exception_handler(_on_loop_error)


def _clean(sink: "_Sink", _method: str, event: _Event) -> _Event:
    """The processor that leaves only safe values in an entry."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    event.pop("stack_info", None)
    first = {key: event.pop(key, "") for key in ("timestamp", "level", "event")}
    entry: _Event = {**safe_fields(first), "logger": sink.name, **safe_fields(event)}
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
    """Writes entries. A failure to write must not stop the worker."""

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
    """Hands the entries of libraries over to our pipeline."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
            log = structlog.get_logger(record.name)
            log.log(level, _safe_message(record), exc_info=record.exc_info)
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Report a lost entry; the standard handler would print its arguments."""
        structlog.get_logger(record.name).error("log_entry_lost")


def _safe_message(record: logging.LogRecord) -> str:
    """The message of a library, with safe arguments."""
    if not isinstance(record.msg, str):
        return str(safe(record.msg))
    if not record.args:
        return constant_part(record.msg)
    args: Any
    if isinstance(record.args, Mapping):
        args = safe_fields(record.args)
    else:
        args = tuple(safe(arg) for arg in record.args)
    try:
        return str(record.msg % args)
    except (TypeError, ValueError, KeyError):  # the format needs a number that is not shown
        return record.msg


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
    logger("py.warnings").warning(
        "warning", category=category, at=f"{short_path(filename)}:{lineno}"
    )


def _on_loop_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    task = context.get("task") or context.get("future")
    logger(__name__).error(
        "event_loop_error",
        detail=constant_part(str(context.get("message", ""))),
        task=task.get_name() if isinstance(task, asyncio.Task) else None,
        exc_info=context.get("exception"),
    )


# The defaults of structlog print locals: be safe from the first import on.
_configure_structlog("info", "auto", None)
