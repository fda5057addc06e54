"""Which database is home to which lanes."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

_SPAN = re.compile(r"(\d{1,9})(-(\d{1,9})?)?", re.ASCII)


class Span(NamedTuple):
    """Lanes ``first`` to ``last``; ``None`` is all from there on."""

    first: int
    last: int | None

    def __contains__(self, lane: object) -> bool:
        return isinstance(lane, int) and self.first <= lane and not self.ends_before(lane)

    def ends_before(self, lane: int) -> bool:
        """Whether it ends before this lane."""
        return self.last is not None and self.last < lane


@dataclass(frozen=True)
class Placements:
    """The databases by URL, the one for all other lanes first, and the lanes of the others."""

    urls: Sequence[str]
    # Of each database but the first; a lane is in one of them at most.
    spans: Sequence[Sequence[Span]] = ()

    @classmethod
    def of(cls, url: str, more: str) -> "Placements":
        """As the settings say it: entries such as ``4,6-8,12-=postgresql://…``.

        Raises:
            ValueError: it cannot be meant so. Quotes no URL, for it holds a password.
        """
        urls, spans = [url], []
        for number, entry in enumerate(more.split(), 1):
            lanes, equals, address = entry.partition("=")
            if not equals or not address.startswith(("postgresql://", "postgres://")):
                raise ValueError(f"entry {number} is not of the form LANES=postgresql://…")
            if address in urls:
                raise ValueError(f"entry {number} names a database again: put its lanes together")
            urls.append(address)
            spans.append([_span(text, number) for text in lanes.split(",")])
        known = sorted((span for some in spans for span in some), key=lambda span: span.first)
        for one, next_one in pairwise(known):
            if not one.ends_before(next_one.first):
                raise ValueError(f"lane {next_one.first} is given to two databases, or twice")
        return cls(urls, spans)

    def database_of(self, lane: int) -> int:
        """Number of the database that is home to this lane; 0 is the first."""
        for number, spans in enumerate(self.spans, 1):
            if any(lane in span for span in spans):
                return number
        return 0

    def elsewhere(self, database: int) -> str:
        """The lanes that live in other databases than this one, as Postgres writes a multirange."""
        if database == 0:
            gaps = [span for spans in self.spans for span in spans]
        else:
            gaps = list(_between(sorted(self.spans[database - 1], key=lambda span: span.first)))
        return "{" + ",".join(_range(span) for span in gaps) + "}"


def _span(text: str, entry: int) -> Span:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"entry {entry}: lanes are written 4 or 6-11 or 12-, with commas between")
    first, to, last = found[1], found[2], found[3]
    span = Span(int(first), None if to and not last else int(last or first))
    if span.ends_before(span.first):
        raise ValueError(f"entry {entry}: {text} ends before it begins")
    return span


def _between(spans: Sequence[Span]) -> Iterator[Span]:
    """What these leave out."""
    begin = 0
    for span in spans:
        if begin < span.first:
            yield Span(begin, span.first - 1)
        if span.last is None:
            return
        begin = span.last + 1
    yield Span(begin, None)


def _range(span: Span) -> str:
    return f"[{span.first},{'' if span.last is None else span.last + 1})"
