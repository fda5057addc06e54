"""Redaction: values and exceptions as log entries may show them, with no personal data.

Exceptions show their types and frames. A message appears only if its class is known to quote
neither a record nor a row. Only texts, numbers and times appear as values; of any other value the
entry shows the type. Fields with sensitive names are redacted.
"""

import math
import re
import traceback
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

REDACTED = "[redacted]"

_SENSITIVE = frozenset({"responsible", "dispute", "text", "form"}) | frozenset(
    {"body", "headers", "payload", "value", "values", "database_url", "dsn", "password", "secret"}
)

# Classes whose messages name only hosts, topics and settings. They are given by name, because only
# the modules at the edge import the clients. KafkaError itself is missing on purpose: aiokafka puts
# the repr of any exception into it. Errors of pydantic and asyncpg quote values.
_PLAIN_MESSAGES = frozenset({"OSError", "worker.errors.PlazoError"})
_KAFKA_ERROR = "aiokafka.errors.KafkaError"

_PASSWORD_IN_URL = re.compile(r"(\w+://[^\s:/@]*:)[^\s@]*@")
_PASSWORD_IN_QUERY = re.compile(r"(password=)[^\s&]+", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_REPR = re.compile(r"""[\[({<'"]""")

_ROOT = Path(__file__).parents[2]
_TEXT, _ITEMS, _DEPTH, _FRAMES = 1000, 50, 5, 20


def summary(error: BaseException) -> str:
    """An exception in one safe line: its class, and its message if that is safe."""
    text = _name(type(error))
    if sqlstate := _plain(error, "sqlstate"):
        text += f" [{sqlstate}]"
    if message := _message(error):
        text += f": {message}"
    return text


def describe(error: BaseException, depth: int = _DEPTH) -> dict[str, object]:
    """An exception as safe fields: classes and frames, with all its causes."""
    entry: dict[str, object] = {"type": _name(type(error))}
    if message := _message(error):
        entry["message"] = message
    # The texts of Postgres quote the row; the code and the names of schema objects do not.
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
        yield f"{short_path(frame.f_code.co_filename)}:{line}:{frame.f_code.co_name}"


def short_path(name: str) -> str:
    """The path within the project or the package, without the place of installation."""
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


def safe(value: object, depth: int = _DEPTH) -> object:  # noqa: PLR0912
    """A value that may be shown. No code of an unknown class runs, not even its repr."""
    match value:
        case Enum():
            return safe(value.value, depth)
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
            return safe_fields(value, depth - 1)
        case tuple() if depth and hasattr(value, "_fields"):
            return safe_fields(dict(zip(value._fields, value, strict=False)), depth - 1)
        case list() | tuple() | set() | frozenset() if depth:
            shown = [safe(item, depth - 1) for item, _ in zip(value, range(_ITEMS), strict=False)]
            return [*shown, "…"] if len(value) > _ITEMS else shown
    return f"<{type(value).__name__}>"


def safe_fields(fields: Mapping[Any, object], depth: int = _DEPTH) -> dict[str, object]:
    """Fields that may be shown; those with sensitive names are redacted."""
    shown: dict[str, object] = {}
    for (key, value), _ in zip(fields.items(), range(_ITEMS), strict=False):
        name = str(safe(key, 0))
        shown[name] = REDACTED if _is_sensitive(name, value) else safe(value, depth)
    return shown


def _is_sensitive(key: str, value: object) -> bool:
    key = key.lower()
    if key in _SENSITIVE:
        return True
    # `dispute_text` and `seller-responsible` are sensitive; a count of open disputes is not.
    words = re.split(r"[^a-z0-9]+", key)
    return not _SENSITIVE.isdisjoint(words) and not isinstance(value, int | float | None)


def constant_part(message: str) -> str:
    """The constant beginning of a message that a library has composed.

    Messages of asyncio show callbacks with their arguments, and tasks with their errors.
    """
    return _REPR.split(message.partition("\n")[0], maxsplit=1)[0].rstrip()
