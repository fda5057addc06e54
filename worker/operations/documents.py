"""Parts the text of a file into JSON documents and lines of a console, each with its line."""

import codecs
import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from worker.records import timestamp_of


class BadLine(NamedTuple):
    """A line that holds no record. The reason quotes nothing of it."""

    number: int
    reason: str


class Document(NamedTuple):
    """A document and the line where it begins."""

    number: int
    body: Any  # JSON, or a Console


class Console(NamedTuple):
    """What a line of a console tells. A ``doubtful`` one is a record only where its topic is known:
    it may be a format that is no JSON, or broken.
    """

    key: bytes | None
    keyed: bool
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    recorded_at: datetime | None
    doubtful: bool = False


_STARTS = ("{", "[", '"')
_CONTINUES = (" ", "\t", "}", "]")
_STAMP = re.compile(r"(?:CreateTime|LogAppendTime):(-?[0-9]{1,15})|NoTimestamp(?:Type)?:-?[0-9]+")
_PLACE = re.compile(r"(?:Partition|Offset):[0-9]{1,19}|[0-9]{1,19}")
# A null, as the console consumer and kcat print it.
_NULL = frozenset({"null", ""})
_NO_HEADERS: Final = "NO_HEADERS"
# A key, a delimiter, and JSON.
_KEYED = re.compile(r'([^\s{\["]{0,200}?|"[^"]{1,200}")\s*[:;,|=\s]\s*([{\[].*)')
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def text_of(content: bytes) -> str:
    """The text of a file; bytes that are not UTF-8 become surrogates."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            # Shells of Windows write UTF-16.
            return content.decode(encoding, "replace").removeprefix("\ufeff")
    return content.decode("utf-8", "surrogateescape")


def documents(text: str) -> Iterator[Document | BadLine]:
    """Yield each document and the line where it begins."""
    decoder = json.JSONDecoder()
    number, at, broken = 1, 0, False
    while at < len(text):
        end = _line_end(text, at)
        line = text[at:end]
        stop, found = end, list[Document | BadLine]()
        if line.strip():
            if broken and line.startswith(_CONTINUES):
                found = []
            else:
                broken = False
                stop, found = _at(decoder, text, at, end, number)
                broken = any(map(_is_broken, found))
        yield from found
        number += text.count("\n", at, stop) + 1
        at = stop + 1


def _is_broken(document: Document | BadLine) -> bool:
    if isinstance(document, BadLine):
        return True
    return isinstance(document.body, Console) and document.body.doubtful


def _at(
    decoder: json.JSONDecoder, text: str, at: int, end: int, number: int
) -> tuple[int, list[Document | BadLine]]:
    """Read what begins in a line; return where its last line ends, and the documents."""
    line = text[at:end].rstrip("\r")
    keyed = line.startswith("\t")  # a key that is null, as kcat prints it
    if keyed or not line.strip().startswith(_STARTS):
        return _console(decoder, text, at, line, number)
    start = at + len(text[at:end]) - len(text[at:end].lstrip())
    if text.startswith("[", start):
        found = _array(decoder, text, start, number)
        if found is not None:
            return found
    try:
        body, stop = decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        return _console(decoder, text, at, line, number)
    last = _line_end(text, stop)
    if (rest := text[stop:last].strip().strip(",")) and last == end:
        # A key in quotes before the value, or two documents in a line.
        return _console(decoder, text, at, line, number)
    if rest:
        return end, [BadLine(number, "not JSON in UTF-8")]
    return last, [Document(number, body)]


def _array(
    decoder: json.JSONDecoder, text: str, start: int, number: int
) -> tuple[int, list[Document | BadLine]] | None:
    """Read an array of documents, with the line of each; ``None`` if it is none."""
    found: list[Document | BadLine] = []
    at, counted = start + 1, start
    blank = re.compile(r"[\s,]*")
    while True:
        at = blank.match(text, at).end()  # type: ignore[union-attr]
        if text.startswith("]", at):
            empty = BadLine(number, "an empty list")
            return _line_end(text, at), found or [empty]
        try:
            body, stop = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None
        number += text.count("\n", counted, at)
        counted = at
        found.append(Document(number, body))
        at = stop


def _console(
    decoder: json.JSONDecoder, text: str, at: int, line: str, number: int
) -> tuple[int, list[Document | BadLine]]:
    """Read a line of a console: fields before the value, between TABs; or a key before JSON."""
    fields = line.split("\t")
    recorded_at: datetime | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    while len(fields) > 1:
        if stamp := _STAMP.fullmatch(fields[0]):
            recorded_at = timestamp_of(int(stamp[1])) if stamp[1] else None
        elif not (_PLACE.fullmatch(fields[0]) and (len(fields) > 2 or ":" in fields[0])):
            break
        del fields[0]
    if len(fields) > 1 and (fields[0] == _NO_HEADERS or (len(fields) > 2 and ":" in fields[0])):
        headers = _headers_of_console(fields.pop(0))
    key, value, doubtful = None, "\t".join(fields), False
    keyed = len(fields) > 1
    if keyed:
        key, value = fields[0], "\t".join(fields[1:])
    elif (found := _KEYED.fullmatch(value)) is not None:
        key, value, keyed = found[1], found[2], True
    else:
        doubtful = recorded_at is None and not headers
    stop = at + len(line)
    if value.startswith(("{", "[")):
        value, stop = _to_its_end(decoder, text, stop - len(value), stop)
    try:
        raw_value = None if value in _NULL else value.encode("utf-8", "surrogateescape")
        raw_key = None if key is None or key in _NULL else key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return stop, [BadLine(number, "a lone surrogate")]
    raw = Console(raw_key, keyed, raw_value, headers, recorded_at, doubtful)
    return _line_end(text, stop), [Document(number, raw)]


def _to_its_end(decoder: json.JSONDecoder, text: str, start: int, end: int) -> tuple[str, int]:
    """The JSON that begins in a line, printed over several lines perhaps, and where it ends."""
    try:
        _, stop = decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        return text[start:end], end
    whole = stop > end and not text[stop : _line_end(text, stop)].strip()
    return (text[start:stop], stop) if whole else (text[start:end], end)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _headers_of_console(text: str) -> tuple[tuple[str, bytes], ...]:
    if text == _NO_HEADERS:
        return ()
    # A value may hold a comma or a colon; a name does not.
    parts = re.split(r",(?=[A-Za-z0-9_.-]+:)", text)
    pairs = (part.partition(":") for part in parts)
    return tuple((name, value.encode("utf-8", "surrogateescape")) for name, _, value in pairs)
