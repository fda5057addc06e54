"""Reads the values of one Avro schema, by functions that are put together once for each schema.

To look up the type of each field for each value, as libraries do, takes longer. And the numbers in
the bytes choose nothing unchecked: as an index, a negative one would count from the end. A length
is not compared with what is left: whatever reads beyond the end finds nothing there, and the
position says so in the end.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from worker.ingest.registry.avro_limits import AvroInvalid, SchemaRefused
from worker.ingest.registry.avro_logical import LOGICAL

# Reads the value that begins at an index; returns it, and the index behind it. Raises IndexError,
# struct.error, ValueError, ArithmeticError or AvroInvalid where bytes do not fit, or returns an
# index that is not their end.
Part = Callable[[bytes, int], tuple[Any, int]]

# Before the name of each logical type: so the library does not check them.
UNCHECKED: Final = "plazo-"
_LONGEST_SHIFT = 70  # ten bytes of seven bits
_FLOAT, _DOUBLE = struct.Struct("<f").unpack_from, struct.Struct("<d").unpack_from


class Parts:
    """Puts the function of a parsed schema together; ``named`` are the types that it names.

    No type holds itself, see :mod:`.avro_limits`.
    """

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._known: dict[str, Part] = {}

    def of(self, schema: Any) -> Part:
        """Return the function of one type.

        Raises:
            SchemaRefused: there is no such type.
        """
        if isinstance(schema, list):
            return _union([self.of(branch) for branch in schema])
        kind = schema["type"] if isinstance(schema, dict) else schema
        if isinstance(kind, dict | list):
            return self.of(kind)
        if isinstance(schema, str) and schema not in _PLAIN:
            return self._of_name(schema)
        part = _PLAIN[kind] if kind in _PLAIN else self._of_definition(schema)
        if not isinstance(schema, dict):
            return part
        logical = str(schema.get("logicalType", "")).removeprefix(UNCHECKED)
        make = LOGICAL.get((kind, logical))
        return part if make is None else _converted(part, make(schema))

    def _of_name(self, name: str) -> Part:
        if name not in self._known:
            self._known[name] = self.of(self._named[name])
        return self._known[name]

    def _of_definition(self, schema: Mapping[str, Any]) -> Part:
        match schema["type"]:
            case "array":
                return _array(self.of(schema["items"]))
            case "map":
                return _map(self.of(schema["values"]))
            case "enum":
                return _enum(schema["symbols"])
            case "fixed":
                return _fixed(int(schema["size"]))
            case "record" | "error":
                return _record([(each["name"], self.of(each["type"])) for each in schema["fields"]])
        raise SchemaRefused("it has a type that is not read")


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """Read a number of any length, with its sign in the last bit; times have eight bytes."""
    byte = body[at]
    at += 1
    number, shift = byte & 127, 7
    while byte > 127:
        byte = body[at]
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if shift > _LONGEST_SHIFT:
            raise AvroInvalid("a number is too long")
    if number >> 64:
        raise AvroInvalid("a number is too long")
    return number, at


def _long(body: bytes, at: int) -> tuple[int, int]:
    number, at = _varint(body, at)
    return (number >> 1) ^ -(number & 1), at


def _length(body: bytes, at: int) -> tuple[int, int]:
    """Read a length that is not one byte, twice what it says."""
    number, at = _varint(body, at)
    if number & 1:
        raise AvroInvalid("a length is negative")
    return number, at


def _bytes(body: bytes, at: int) -> tuple[bytes, int]:
    length = body[at]
    at += 1
    if length & 129:  # longer than a byte, or negative
        length, at = _length(body, at - 1)
    end = at + (length >> 1)
    return body[at:end], end


def _string(body: bytes, at: int) -> tuple[str, int]:
    # As above, to save the call: texts are most of what a record holds.
    length = body[at]
    at += 1
    if length & 129:
        length, at = _length(body, at - 1)
    end = at + (length >> 1)
    return body[at:end].decode(), end


def _null(_body: bytes, at: int) -> tuple[None, int]:
    return None, at


def _boolean(body: bytes, at: int) -> tuple[bool, int]:
    if body[at] > 1:
        raise AvroInvalid("a boolean is neither true nor false")
    return body[at] == 1, at + 1


def _float(body: bytes, at: int) -> tuple[float, int]:
    return _FLOAT(body, at)[0], at + 4


def _double(body: bytes, at: int) -> tuple[float, int]:
    return _DOUBLE(body, at)[0], at + 8


_PLAIN: Final[Mapping[str, Part]] = {
    "null": _null, "boolean": _boolean, "int": _long, "long": _long, "float": _float,
    "double": _double, "bytes": _bytes, "string": _string,
}  # fmt: skip


def _converted(part: Part, convert: Callable[[Any], Any]) -> Part:
    def read(body: bytes, at: int) -> tuple[Any, int]:
        found, at = part(body, at)
        return convert(found), at

    return read


def _record(fields: list[tuple[str, Part]]) -> Part:
    def read(body: bytes, at: int) -> tuple[dict[str, Any], int]:
        found = {}
        for name, part in fields:
            found[name], at = part(body, at)
        return found, at

    return read


def _union(branches: list[Part]) -> Part:
    # By the number as it stands in the bytes; an odd one is negative.
    numbered = {2 * number: part for number, part in enumerate(branches)}

    def read(body: bytes, at: int) -> tuple[Any, int]:
        number = body[at]
        at += 1
        if number > 127:
            number, at = _varint(body, at - 1)
        if (part := numbered.get(number)) is None:
            raise AvroInvalid("a union has no branch of this number")
        return part(body, at)

    return read


def _enum(symbols: list[str]) -> Part:
    numbered = {2 * number: symbol for number, symbol in enumerate(symbols)}

    def read(body: bytes, at: int) -> tuple[str, int]:
        number, at = _varint(body, at)
        if (symbol := numbered.get(number)) is None:
            raise AvroInvalid("an enum has no symbol of this number")
        return symbol, at

    return read


def _fixed(size: int) -> Part:
    def read(body: bytes, at: int) -> tuple[bytes, int]:
        return body[at : at + size], at + size

    return read


def _block(body: bytes, at: int) -> tuple[int, int]:
    """The number of items in the next block; behind a negative one stands its size in bytes."""
    number = body[at]
    if not number & 129:
        return number >> 1, at + 1
    number, at = _varint(body, at)
    if number & 1:
        return (number + 1) >> 1, _varint(body, at)[1]
    return number >> 1, at


def _array(item: Part) -> Part:
    def read(body: bytes, at: int) -> tuple[list[Any], int]:
        found: list[Any] = []
        count, at = _block(body, at)
        while count:
            for _ in range(count):
                one, at = item(body, at)
                found.append(one)
            count, at = _block(body, at)
        return found, at

    return read


def _map(value: Part) -> Part:
    def read(body: bytes, at: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        count, at = _block(body, at)
        while count:
            for _ in range(count):
                key, at = _string(body, at)
                found[key], at = value(body, at)
            count, at = _block(body, at)
        return found, at

    return read
