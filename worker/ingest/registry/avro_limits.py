"""Refuses Avro schemas by which a short record could take much memory, time or stack.

The decoder takes a schema's word for it: an array of two thousand million nulls is ten bytes long,
and a type that holds itself is as deep as its bytes say. So each byte of a value must pay for the
memory that it takes. ``debt`` of a type is the memory of its dearest value, beyond what its bytes
pay for. Whatever may repeat must be without debt; the value as a whole may have some.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

# Estimated bytes of memory that one byte of a value pays for: a record of one number takes 330.
PAID_BY_A_BYTE: Final = 400
# Of the memory of one value that its bytes do not pay for.
_MOST_DEBT: Final = 1_000_000
_DEEPEST: Final = 40

_REFERENCE, _SCALAR, _OBJECT, _FIELD = 8, 64, 224, 40
_SHORTEST = {"null": 0, "boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8,
             "bytes": 1, "string": 1}  # fmt: skip


class SchemaRefused(Exception):
    """A schema is not read. The message names its fault, and nothing of its text."""


class AvroInvalid(Exception):
    """Bytes do not fit their schema. The message holds none of them."""


class _Cost(NamedTuple):
    """The debt of a type, negative where its bytes pay for more, and the types inside each other.

    A value is as deep as its type, since no type holds itself.
    """

    debt: int
    height: int = 1


def check_limits(schema: Any, named: Mapping[str, Any]) -> None:
    """Check a parsed schema; ``named`` are the types that it names.

    Raises:
        SchemaRefused
    """
    if _Costs(named).of(schema).debt > _MOST_DEBT:
        raise SchemaRefused("its values could take much memory")


class _Costs:
    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._known: dict[str, _Cost] = {}
        self._open: set[str] = set()

    def of(self, schema: Any) -> _Cost:
        cost = self._of(schema)
        if cost.height > _DEEPEST:
            raise SchemaRefused("it is too deep")
        return cost

    def _of(self, schema: Any) -> _Cost:
        if isinstance(schema, list):
            branches = [self.of(branch) for branch in schema]
            # The number of the branch is a byte.
            return _inside(branches, max(each.debt for each in branches) - PAID_BY_A_BYTE)
        kind = schema["type"] if isinstance(schema, dict) else schema
        if isinstance(kind, dict | list):
            return self.of(kind)
        if kind == "null":
            return _Cost(0)
        if kind in _SHORTEST:
            return _Cost(_SCALAR - PAID_BY_A_BYTE * _SHORTEST[kind])
        if isinstance(schema, str):
            return self._of_name(schema)
        if kind in ("array", "map"):
            return self._of_repeated(schema)
        return self._of_definition(schema)

    def _of_name(self, name: str) -> _Cost:
        if name in self._known:
            return self._known[name]
        if name in self._open:
            raise SchemaRefused("a type of it holds itself")
        if name not in self._named:
            raise SchemaRefused("it names a type that it does not define")
        return self._of_definition(self._named[name])

    def _of_repeated(self, schema: Mapping[str, Any]) -> _Cost:
        is_map = schema["type"] == "map"
        item = self.of(schema["values" if is_map else "items"])
        key = _FIELD + _SCALAR - PAID_BY_A_BYTE if is_map else 0
        if key + item.debt + _REFERENCE > 0:
            raise SchemaRefused("a list of it could be long in few bytes")
        return _inside([item], _OBJECT - PAID_BY_A_BYTE)

    def _of_definition(self, schema: Mapping[str, Any]) -> _Cost:
        kind, name = schema["type"], schema["name"]
        if kind == "enum":
            return _Cost(max(map(len, schema["symbols"])) - PAID_BY_A_BYTE)
        if kind == "fixed":
            return _Cost(_SCALAR - PAID_BY_A_BYTE * int(schema["size"]))
        self._open.add(name)
        fields = [self.of(field["type"]) for field in schema["fields"]]
        names = sum(_FIELD + len(field["name"]) for field in schema["fields"])
        self._open.discard(name)
        cost = _inside(fields, _OBJECT + names + sum(each.debt for each in fields))
        self._known[name] = cost
        return cost


def _inside(inner: Iterable[_Cost], debt: int) -> _Cost:
    return _Cost(debt, 1 + max((each.height for each in inner), default=0))
