"""Finds the orders that a broken record names.

A refused record may be evidence, so it shields every order it names from auto-cancel. The search
is lenient on purpose: it reads what the decoder refuses, and a wrong name costs one escalation.
"""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from worker.records import LONGEST_KEY, Record

# A record is about one order. One that names more is broken, and the list must not grow with it.
MAX_ORDER_IDS: Final = 64

_ID_NAMES = ("order_id", "orderId", "OrderId")
_ID_IN_TEXT = re.compile(
    r'"(?:order_id|orderId|OrderId)"\s*:\s*(?:"((?:[^"\\]|\\.){1,1200})"|([0-9]{1,200}))'
)
_BASE64_IN_TEXT = re.compile(r'"data_base64"\s*:\s*"([^"]*)"')


def named_orders(record: Record, max_bytes: int) -> tuple[str, ...]:
    """Return the ids of all orders that a record names in its key or body.

    At most ``MAX_ORDER_IDS`` of them, each once, the key's first. A body of more than
    ``max_bytes`` is not parsed; only its first ``max_bytes`` are searched.
    """
    order_ids: dict[str, None] = {}
    for candidate in _candidates(record, max_bytes):
        if _is_order_id(candidate):
            order_ids[candidate] = None
            if len(order_ids) == MAX_ORDER_IDS:
                break
    return tuple(order_ids)


def _candidates(record: Record, max_bytes: int) -> Iterator[str]:
    if record.key and len(record.key) <= LONGEST_KEY:
        yield record.key.decode("utf-8", "surrogateescape")
    if record.value:
        yield from _named_in(record.value[:max_bytes], parse=len(record.value) <= max_bytes)


def _named_in(body: bytes, *, parse: bool, nested: bool = False) -> Iterator[str]:
    """Yield every text under the name of an order id, at any depth, in JSON or broken JSON.

    ``nested`` bodies come from ``data_base64``; their own ``data_base64`` is not decoded again.
    """
    encoding = json.detect_encoding(body)
    # Bytes that are not UTF-8 become surrogates, so that _is_order_id() drops the name.
    text = body.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "replace")
    named: list[str] = []
    encoded: list[str] = []
    if parse and _gather(text, named, encoded) and (named or encoded):
        yield from named
    else:
        # The JSON is broken, or it stands inside a string of other JSON.
        for broken in (text, text.replace('\\"', '"')):
            yield from map(_unescaped, _ID_IN_TEXT.finditer(broken))
            encoded += _BASE64_IN_TEXT.findall(broken)
    if not nested:
        for data in list(dict.fromkeys(encoded))[:MAX_ORDER_IDS]:
            yield from _named_in(_decoded(data), parse=parse, nested=True)


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


def _is_order_id(candidate: str) -> bool:
    try:
        candidate.encode()
    except UnicodeEncodeError:
        return False
    return 1 <= len(candidate) <= 200 and "\0" not in candidate
