"""Finds the orders that a broken record names.

A refused record may be evidence, so it shields every order it names from auto-cancel. The search
is lenient on purpose: it reads what the decoder refuses, and a wrong name costs one escalation.
"""

import base64
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from worker.ingest.parse_errors import GZIP
from worker.records import LONGEST_KEY, Record
from worker.registry.wire import FRAME, FRAMED_AT

# A record is about one order. One that names more is broken, and the list must not grow with it.
MAX_ORDER_IDS: Final = 64

_ID_NAMES = ("order_id", "orderId", "OrderId")
_ID_IN_TEXT = re.compile(
    rf'"(?:{"|".join(_ID_NAMES)})"\s*:\s*(?:"((?:[^"\\]|\\.){{1,1200}})"|([0-9]{{1,200}}))'
)
_BASE64_IN_TEXT = re.compile(r'"data_base64"\s*:\s*"([^"]*)"')
# No text holds these bytes. Of a body that does, only the beginning is searched: there are ids.
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_BINARY_BYTES = 4_096
# Bytes of the numbers that Kafka's serializers write.
_NUMBERS = (4, 8)
_WORD = re.compile(rb"[!-~]{3,200}")


def named_orders(
    record: Record,
    max_bytes: int,
    aliases: Callable[[str], Iterable[str]] | None = None,
) -> tuple[str, ...]:
    """Return the ids of all orders that a record names in its key or body.

    At most ``MAX_ORDER_IDS`` of them, each once, the key's first. A body of more than
    ``max_bytes`` is not parsed; only its first ``max_bytes`` are searched. ``aliases`` gives the
    other ids of an order.
    """
    order_ids: dict[str, None] = {}
    for candidate in _candidates(record, max_bytes):
        trimmed = candidate.strip()
        for order_id in (trimmed, *(aliases(trimmed) if aliases else ())):
            if len(order_ids) == MAX_ORDER_IDS:
                return tuple(order_ids)
            if is_order_id(order_id):
                order_ids[order_id] = None
    return tuple(order_ids)


def _candidates(record: Record, max_bytes: int) -> Iterator[str]:
    if record.key and len(record.key) <= LONGEST_KEY:
        yield from ids_in_key(record.key)
    if record.value:
        yield from _named_in(record.value[:max_bytes], parse=len(record.value) <= max_bytes)


def ids_in_key(key: bytes) -> Iterator[str]:
    """Yield the ids that a key may name: plain, JSON, an envelope of Connect, binary, a number."""
    yield key.decode("utf-8", "surrogateescape")
    if key[:1] in (b'"', b"{"):
        try:
            found = json.loads(key, strict=False)
        except (ValueError, RecursionError):
            return
        inner = found.get("payload") if isinstance(found, dict) else found
        if isinstance(inner, str):
            yield inner
        yield from _named_in(key, parse=True)
    elif _BINARY.search(key):
        if len(key) in _NUMBERS:
            yield str(int.from_bytes(key, "big", signed=True))
        yield from _in_binary(key)


def _named_in(body: bytes, *, parse: bool, nested: bool = False) -> Iterator[str]:
    """Yield every text under the name of an order id, at any depth, in JSON or broken JSON.

    ``nested`` bodies come from ``data_base64`` or from gzip; inside, neither is undone again.
    """
    if body.startswith(FRAME) and body[FRAMED_AT : FRAMED_AT + 1] == b"{":
        body = body[FRAMED_AT:]
    encoding = json.detect_encoding(body)
    # Bytes that are not UTF-8 become surrogates, so that is_order_id() drops the name.
    text = body.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "replace")
    named: list[str] = []
    encoded: list[str] = []
    if parse and _gather(text, named, encoded) and (named or encoded):
        yield from named
    else:
        # The JSON is broken, or it stands inside a string of other JSON.
        found = False
        for broken in (text, text.replace('\\"', '"')):
            for match in _ID_IN_TEXT.finditer(broken):
                found = True
                yield _unescaped(match)
            encoded += _BASE64_IN_TEXT.findall(broken)
        if body.startswith(GZIP) and not nested:
            yield from _named_in(_inflated(body), parse=parse, nested=True)
        elif not found and _BINARY.search(body, 0, _BINARY_BYTES):
            yield from _in_binary(body[:_BINARY_BYTES])
    if not nested:
        for data in list(dict.fromkeys(encoded))[:MAX_ORDER_IDS]:
            yield from _named_in(_decoded(data), parse=parse, nested=True)


def _in_binary(body: bytes) -> Iterator[str]:
    """Yield the words of Avro and Protobuf: a length, then so many printable bytes."""
    at = FRAMED_AT if body.startswith(FRAME) else 0
    while at < len(body):
        first, second = body[at], body[at + 1] if at + 1 < len(body) else 0
        # Avro doubles a length. From 128 on, both go on in a second byte.
        number = first if first < 128 else first - 128 + 128 * second
        start = at + (1 if first < 128 else 2)
        for length in (number, number // 2 if number % 2 == 0 else 0):
            word = body[start : start + length]
            if len(word) == length and _WORD.fullmatch(word):
                yield word.decode()
                at = start + length - 1
        at += 1


def _gather(text: str, named: list[str], encoded: list[str]) -> bool:
    """Parse leniently and collect the texts under the names; return whether it is JSON."""

    def collect(pairs: list[tuple[str, Any]]) -> None:
        for name, value in pairs:
            if isinstance(value, str) and name in (*_ID_NAMES, "data_base64"):
                (encoded if name == "data_base64" else named).append(value)

    try:
        json.loads(text, strict=False, parse_int=str, parse_float=str, object_pairs_hook=collect)
    except (ValueError, RecursionError):
        return False
    return True


def _unescaped(match: re.Match[str]) -> str:
    raw: str = match[1] or match[2]
    try:
        return str(json.loads(f'"{raw}"', strict=False))
    except ValueError:
        return raw


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data.replace("\\/", "/") + "==")
    except ValueError:
        return b""


# As far as the search of a body goes, whatever it inflates to.
_INFLATED_BYTES = 1_000_000


def _inflated(body: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(body, _INFLATED_BYTES)
    except zlib.error:
        return b""


def is_order_id(candidate: str) -> bool:
    """Whether a text can be the id of an order."""
    try:
        candidate.encode()
    except UnicodeEncodeError:
        return False
    return 1 <= len(candidate) <= 200 and "\0" not in candidate
