"""JMESPath expressions whose cost is bounded, however hostile the record.

An expression may have so many characters and nest so deep. Its evaluation takes steps, one for each
node that it visits and each element that a function or a comparison looks at. A record may take
:data:`FEWEST_STEPS` and one more for each byte, at most :data:`MOST_STEPS`, over all expressions of
its mapping; one that takes more is refused. So a list inside a list costs no square, and a
partition full of such records costs time by its bytes.

Beside the functions of JMESPath there are ``root()``, the whole record; ``recorded_at()``, the time
of the record in Kafka; ``split(text, separator)``, and ``lower(text)``.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final

from jmespath import functions
from jmespath.exceptions import JMESPathError
from jmespath.parser import Parser
from jmespath.visitor import Options, TreeInterpreter

from worker.ingest.formats.mapping.compiled import Run, compiled

LONGEST: Final = 2_000
DEEPEST: Final = 32
FEWEST_STEPS: Final = 5_000
MOST_STEPS: Final = 100_000

# Of a text, so many characters are a step.
_CHARACTERS = 64
_SCALARS = frozenset({bool, int, float})
_signature = functions.signature


class TooCostly(Exception):
    """The record takes more steps than it may."""


class NotApplicable(Exception):
    """A function does not fit what it found; never with the value."""


class Scope:
    """One record while its expressions are evaluated.

    ``recorded_at`` is RFC 3339, ``size`` the bytes of the record.
    """

    def __init__(self, root: Any, recorded_at: str, size: int = MOST_STEPS) -> None:
        self.root = root
        self.recorded_at = recorded_at
        self.steps = 0
        self.limit = min(FEWEST_STEPS + size, MOST_STEPS)
        self._interpreter: _Interpreter | None = None
        self._functions: _Functions | None = None

    def charge(self, steps: int) -> None:
        """Count steps.

        Raises:
            TooCostly: they were too many.
        """
        self.steps += steps
        if self.steps > self.limit:
            raise TooCostly

    def charge_for(self, value: Any) -> None:
        """Count the steps that it takes to look at every part of a value. Raises: as `charge`."""
        kind = type(value)
        if value is None or kind in _SCALARS:
            self.charge(1)
            return
        if kind is str:
            self.charge(1 + len(value) // _CHARACTERS)
            return
        waiting = [value]
        while waiting:
            one = waiting.pop()
            if isinstance(one, str):
                self.charge(1 + len(one) // _CHARACTERS)
            elif isinstance(one, dict | list):
                self.charge(1 + len(one))
                waiting += one.values() if isinstance(one, dict) else one
            else:
                self.charge(1)

    def evaluate(self, run: Run, value: Any) -> Any:
        """Evaluate an expression on a value.

        Raises:
            NotApplicable: a function does not fit what it found.
            TooCostly: it takes too many steps.
        """
        try:
            found = run(self, value)
            self.charge(0)
            return found
        except (JMESPathError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            # Their messages quote the value.
            raise NotApplicable(type(error).__name__) from None

    def call(self, name: str, arguments: list[Any]) -> Any:
        """Call a function of JMESPath or of ours."""
        if self._functions is None:
            self._functions = _Functions(self)
        return self._functions.call_function(name, arguments)

    def visit(self, node: Any, value: Any) -> Any:
        """Evaluate a node that has no function of its own."""
        if self._interpreter is None:
            self._interpreter = _Interpreter(self)
        return self._interpreter.visit(node, value)


class Expression:
    """A JMESPath expression.

    Raises:
        ValueError: it is none, or one that is too long or nests too deep.
    """

    __slots__ = ("_names", "_run", "source")

    def __init__(self, source: str) -> None:
        if len(source) > LONGEST:
            raise ValueError(f"more than {LONGEST} characters")
        try:
            tree: Any = Parser().parse(source).parsed
        except RecursionError:
            raise ValueError(f"nests deeper than {DEEPEST}") from None
        except JMESPathError as error:
            raise ValueError(f"no JMESPath: {' '.join(str(error).split())}") from None
        if _depth(tree) > DEEPEST:
            raise ValueError(f"nests deeper than {DEEPEST}")
        for name, given in _calls(tree):
            _check_call(name, given)
        self.source = source
        # Most expressions are names alone.
        self._names = _names(tree)
        self._run = compiled(tree)

    def find(self, scope: Scope, value: Any) -> Any:
        """Return what it finds in a value, ``None`` for nothing. Raises: as Scope.evaluate."""
        if self._names is None:
            return scope.evaluate(self._run, value)
        scope.charge(len(self._names))
        for name in self._names:
            if type(value) is not dict:
                return None
            value = value.get(name)
        return value

    def __repr__(self) -> str:
        return f"Expression({self.source!r})"


class _Functions(functions.Functions):
    """JMESPath's own functions and ours; each is charged for what it looks at."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def call_function(self, function_name: str, resolved_args: Any) -> Any:
        for one in resolved_args:
            self._scope.charge_for(one)
        return super().call_function(function_name, resolved_args)

    @_signature()
    def _func_root(self) -> Any:
        return self._scope.root

    @_signature()
    def _func_recorded_at(self) -> str:
        return self._scope.recorded_at

    @_signature({"types": ["string"]}, {"types": ["string"]})
    def _func_split(self, text: str, separator: str) -> list[str]:
        return text.split(separator)

    @_signature({"types": ["string"]})
    def _func_lower(self, text: str) -> str:
        return text.lower()


class _Interpreter(TreeInterpreter):
    def __init__(self, scope: Scope) -> None:
        super().__init__(Options(custom_functions=_Functions(scope)))
        self._scope = scope

    def visit(self, node: Any, value: Any = None, *_: Any, **__: Any) -> Any:
        scope = self._scope
        scope.steps += 1
        if scope.steps > scope.limit:
            raise TooCostly
        kind = node["type"]
        if kind == "field":
            return value.get(node["value"]) if type(value) is dict else None
        return _METHODS[kind](self, node, value)

    def visit_comparator(self, node: Any, value: Any) -> Any:
        found = [self.visit(child, value) for child in node["children"]]
        for one in found:
            # Lists and objects are compared whole.
            self._scope.charge_for(one)
        if node["value"] in ("eq", "ne"):
            return self.COMPARATOR_FUNC[node["value"]](*found)
        literals: list[Any] = [{"type": "literal", "value": one, "children": []} for one in found]
        compared: Any = {**node, "children": literals}
        return super().visit_comparator(compared, value)

    def visit_flatten(self, node: Any, value: Any) -> Any:
        base = self.visit(node["children"][0], value)
        if not isinstance(base, list):
            return None
        for one in base:
            # Before it is built: one list may stand in it many times.
            self._scope.charge(len(one) if isinstance(one, list) else 1)
        merged: list[Any] = []
        for one in base:
            merged += one if isinstance(one, list) else (one,)
        return merged

    def visit_slice(self, node: Any, value: Any) -> Any:
        if isinstance(value, list):
            self._scope.charge(len(value))
        return super().visit_slice(node, value)


FUNCTIONS: Any = _Functions.FUNCTION_TABLE
# By the kind of a node. The library looks them up anew for each interpreter, and so each record.
_METHODS: Any = {
    name.removeprefix("visit_"): getattr(_Interpreter, name)
    for name in dir(_Interpreter)
    if name.startswith("visit_")
}


def _depth(node: Any) -> int:
    deepest, waiting = 0, [(node, 1)]
    while waiting:
        one, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting += ((child, depth + 1) for child in one["children"] if isinstance(child, dict))
    return deepest


def _calls(node: Any) -> Iterator[tuple[str, int]]:
    """Yield each function that a tree calls, and the number of its arguments."""
    if node["type"] == "function_expression":
        yield node["value"], len(node["children"])
    for child in node["children"]:
        if isinstance(child, dict):
            yield from _calls(child)


def _check_call(name: str, given: int) -> None:
    if name not in FUNCTIONS:
        like = get_close_matches(name, FUNCTIONS, 1)
        hint = f"; did you mean {like[0]}()?" if like else ""
        raise ValueError(f"there is no function {name}(){hint}")
    signature = FUNCTIONS[name]["signature"]
    variadic = bool(signature) and signature[-1].get("variadic", False)
    if given < len(signature) or (given > len(signature) and not variadic):
        least = "at least " if variadic else ""
        raise ValueError(f"{name}() takes {least}{len(signature)} arguments, not {given}")


def _names(node: Any) -> tuple[str, ...] | None:
    """The names of a path without anything else."""
    if node["type"] == "field":
        return (node["value"],)
    if node["type"] != "subexpression":
        return None
    parts = [_names(child) for child in node["children"]]
    return sum((part for part in parts if part), ()) if all(parts) else None
