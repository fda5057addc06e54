"""Rows of the catalogue of metrics, and families whose label values are checked."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Generic, TypeVar, TypeVarTuple

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

_M = TypeVar("_M", bound=MetricWrapperBase)
_Labels = TypeVarTuple("_Labels")
# The values of one label: an enum, or texts known at the start. ``None`` is any value.
Values = Iterable[str] | None


class Family(Generic[_M, *_Labels]):
    """The series of one metric, by the values of its labels.

    If all values are known, all series exist from the start, at zero: a first error is a step and
    not a new series. An unknown value is a fault of ours, and a KeyError.
    """

    def __init__(self, metric: _M, known: Iterable[tuple[str, ...]] | None) -> None:
        self._metric = metric
        self._open = known is None
        self._series: dict[tuple[object, ...], _M] = {
            values: metric.labels(*values) for values in known or ()
        }

    def labels(self, *values: *_Labels) -> _M:
        """The series with these values.

        Raises:
            KeyError: the values are unknown.
        """
        if self._open:
            return self._metric.labels(*values)
        return self._series[values]

    def total(self) -> float:
        """The sum of the values of all series, for our own charts."""
        return float(sum(s.value for found in self._metric.collect() for s in found.samples))

    def remove(self, *values: *_Labels) -> None:
        """Drop a series of an open family, if it exists."""
        self._metric.remove(*values)


@dataclass(frozen=True)
class Row:
    """One metric of the catalogue. ``shown`` are labels that Prometheus does not declare."""

    cls: Callable[..., Any]
    name: str
    help: str
    labels: dict[str, Values]
    known: Iterable[tuple[str, ...]] | None
    shown: tuple[str, ...]
    more: Mapping[str, object]

    @property
    def type(self) -> str:
        """The type as Prometheus calls it."""
        return str(self.cls.__name__).lower()

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of its labels."""
        return tuple(self.labels) or self.shown

    def register(self, registry: CollectorRegistry, topics: Sequence[str]) -> Any:
        """The metric, or a family if it has labels. ``topics`` are the input topics."""
        # prometheus_client adds these two by itself.
        bare = self.name.removesuffix("_total").removesuffix("_info")
        metric = self.cls(
            bare, self.help, labelnames=tuple(self.labels), registry=registry, **self.more
        )
        if not self.labels:
            return metric
        values = [topics if each is INPUT_TOPICS else each for each in self.labels.values()]
        closed = [each for each in values if each is not None]
        if len(closed) < len(values):
            return Family(metric, None)
        return Family(metric, self.known or product(*closed))


# A placeholder for the input topics of the settings.
INPUT_TOPICS: tuple[str, ...] = ("input topics",)
# A label with values not known at the start.
OPEN = None


def row(
    cls: Callable[..., Any],
    name: str,
    text: str,
    *,
    known: Iterable[tuple[str, ...]] | None = None,
    shown: tuple[str, ...] = (),
    buckets: Sequence[float] | None = None,
    **labels: Values,
) -> Any:
    """A row of the catalogue; in an instance a metric or a :class:`Family` takes its place."""
    more = {} if buckets is None else {"buckets": buckets}
    return Row(cls, name, text, dict(labels), known, shown, more)
