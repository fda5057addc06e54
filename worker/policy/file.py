"""The policy file: YAML, read whole, or refused with every fault and its line."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import isodate
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from schemas.statuses import STATUSES, Meaning
from schemas.types import Name, Text
from worker.domain.acts import ORDER_CREATED
from worker.domain.calendar import Calendar, Hours
from worker.domain.policy import AtLapse, CutOff, Dispute, Match, Policies, Policy, Rule
from worker.errors import PolicyInvalid
from worker.settings import Duration

_FORM = Dispute()
_DECISIVE = frozenset(Meaning) - {Meaning.NOTHING, Meaning.READY}
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# Every deadline must be reachable from starts in these years, so that no order is the first to
# meet a fault.
_TRIED_YEARS = range(5)


def load(path: Path, grace: timedelta) -> Policies:
    """The policies of a file; ``grace`` applies to those without their own.

    Raises:
        PolicyInvalid: the file is unreadable or breaks a rule; with the lines.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyInvalid([f"{path}: {error}"]) from None
    return parse(text, grace, name=str(path))


def parse(text: str, grace: timedelta, *, name: str = "policy file") -> Policies:
    """The policies in a text. Raises: as :func:`load`."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            raise PolicyInvalid([f"{name}: is empty"])
        if repeated := list(_repeated(root)):
            raise PolicyInvalid([f"{name}:{line}: {key}: given twice" for line, key in repeated])
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise PolicyInvalid([f"{name}{line}: {getattr(error, 'problem', error)}"]) from None
    try:
        return _File.model_validate(content).terms(grace)
    except ValidationError as error:
        raise PolicyInvalid(
            [
                f"{name}:{_line(root, fault['loc'])}: "
                f"{'.'.join(map(str, fault['loc'])) or 'file'}: {_without_prefix(fault['msg'])}"
                for fault in error.errors(include_url=False)
            ]
        ) from None


def _without_prefix(message: str) -> str:
    return message.removeprefix("Value error, ")


def _line(root: Any, path: Sequence[int | str]) -> int:
    """The line of the innermost node on a path; a missing key is reported at its parent."""
    node = root
    line: int = node.start_mark.line
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line
        else:
            break
    return line + 1


def _repeated(node: Any) -> Iterator[tuple[int, str]]:
    """Keys that one mapping gives twice: YAML would silently let the last one win."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.start_mark.line + 1, key.value
            seen.add(key.value)
            yield from _repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for one in node.value:
            yield from _repeated(one)


def _minutes(value: object) -> object:
    # YAML 1.1 reads an unquoted 14:00 as a base-60 number: these are the minutes we want.
    if isinstance(value, str):
        hours, colon, minutes = value.partition(":")
        if not (colon and hours.isdigit() and minutes.isdigit() and int(minutes) < 60):
            raise ValueError("not a time of day such as 14:00")
        return int(hours) * 60 + int(minutes)
    return value


def _hours(value: object) -> object:
    if isinstance(value, str):
        ends = [end.strip() for end in value.split("-")]
        if len(ends) == 2:
            return tuple(_minutes(end) for end in ends)
    raise ValueError("not hours such as 09:00-18:00")


def _in_order(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] >= value[1]:
        raise ValueError("closes before it opens: give hours past midnight to the next day")
    return value


def _list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no time zone of this name, such as America/Lima") from None
    return value


def _days(value: object) -> object:
    """``mon-fri`` or ``sat``, as the numbers of weekdays."""
    text = str(value).lower()
    first, dash, last = text.partition("-")
    if first not in _WEEKDAYS or (dash and last not in _WEEKDAYS):
        raise ValueError("not weekdays such as mon-fri or sat")
    begin = _WEEKDAYS.index(first)
    end = _WEEKDAYS.index(last) if dash else begin
    if end < begin:
        raise ValueError("weekdays run from mon to sun")
    return tuple(range(begin, end + 1))


def _decimal(value: object) -> object:
    if isinstance(value, float):
        raise ValueError('not exact: write it in quotes, such as "12.50"')
    return str(value) if isinstance(value, int) else value


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("not an ISO 8601 duration such as PT24H or PT30S")
    return value


Minutes = Annotated[int, BeforeValidator(_minutes), Field(ge=0, le=1440)]
Opening = Annotated[tuple[Minutes, Minutes], BeforeValidator(_hours), AfterValidator(_in_order)]
Days = Annotated[tuple[int, ...], BeforeValidator(_days)]
Money = Annotated[Decimal, BeforeValidator(_decimal), Field(ge=0)]
Span = Annotated[Duration, BeforeValidator(_text)]
Window = Annotated[Span, Field(gt=timedelta(0), le=timedelta(days=365))]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Calendar(_Part):
    zone: Annotated[str, AfterValidator(_zone)]
    hours: dict[Days, Annotated[list[Opening], BeforeValidator(_list), Field(min_length=1)]]
    holidays: str | None = None
    closed: frozenset[date] = frozenset()

    @model_validator(mode="after")
    def _hours_apart(self) -> Self:
        for day, hours in enumerate(self.week()):
            if any(one.closes > other.opens for one, other in pairwise(hours)):
                raise ValueError(f"hours overlap on {_WEEKDAYS[day]}")
        if not any(self.week()):
            raise ValueError("no hour is open")
        self.public_holidays()
        return self

    def week(self) -> tuple[tuple[Hours, ...], ...]:
        found: list[list[Hours]] = [[] for _ in _WEEKDAYS]
        for days, openings in self.hours.items():
            for day in days:
                found[day] += [Hours(*opening) for opening in openings]
        return tuple(tuple(sorted(day, key=lambda h: (h.opens, h.closes))) for day in found)

    def public_holidays(self) -> Any:
        if self.holidays is None:
            return frozenset()
        import holidays  # only here: it is large, and most installations do not need it

        country, _, part = self.holidays.partition("-")
        try:
            return holidays.country_holidays(country, subdiv=part or None)
        except NotImplementedError:
            raise ValueError("no country or part of this code, such as PE or ES-MD") from None

    def terms(self) -> dict[str, Any]:
        """The terms by which two calendars differ, in JSON."""
        return {
            "zone": self.zone,
            "hours": {
                day: [f"{h.opens // 60:02}:{h.opens % 60:02}-{h.closes // 60:02}:{h.closes % 60:02}"
                      for h in hours]
                for day, hours in zip(_WEEKDAYS, self.week(), strict=True)
            },
            "holidays": self.holidays,
            "closed": sorted(map(str, self.closed)),
        }  # fmt: skip

    def calendar(self, name: str) -> Calendar:
        return Calendar(
            name, ZoneInfo(self.zone), self.week(), _ClosedDay(self.closed, self.public_holidays())
        )


class _ClosedDay:
    """Our own days and the holidays of a country, which computes each year on demand."""

    def __init__(self, own: frozenset[date], country: Any) -> None:
        self._own = own
        self._country = country

    def __contains__(self, day: object) -> bool:
        return day in self._own or day in self._country


class _Total(_Part):
    at_least: Money | None = None
    below: Money | None = None
    currency: Name

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.at_least is None and self.below is None:
            raise ValueError("needs at_least or below")
        if self.at_least is not None and self.below is not None and self.at_least >= self.below:
            raise ValueError("at_least is not below below")
        return self


class _When(_Part):
    seller: Annotated[frozenset[Name], BeforeValidator(_list), Field(min_length=1)] | None = None
    fulfilment: Name | None = None
    currency: Name | None = None
    total: _Total | None = None

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        if self.total and self.currency not in (None, self.total.currency):
            raise ValueError("two currencies: nothing is in both")
        return self

    def match(self) -> Match:
        total = self.total
        return Match(
            self.seller,
            self.fulfilment,
            self.currency or (total.currency if total else None),
            total.at_least if total else None,
            total.below if total else None,
        )


class _CutOff(_Part):
    until: Minutes
    by: Minutes

    @model_validator(mode="after")
    def _ahead(self) -> Self:
        if self.by <= self.until:
            raise ValueError("by comes after until, on the same day")
        return self


class _Dispute(_Part):
    type: Name = _FORM.type
    text: Annotated[Text, Field(min_length=1)] = _FORM.text


class _Policy(_Part):
    name: Name
    when: _When = _When()
    window: Window | None = None
    cut_off: _CutOff | None = None
    clock: Name = ORDER_CREATED
    calendar: str | None = None
    grace: Annotated[Span, Field(ge=timedelta(0), le=timedelta(days=30))] | None = None
    at_lapse: AtLapse = AtLapse.AUTO_CANCEL
    dispute: _Dispute = _Dispute()
    # None rather than empty: the stored terms of versions in force must not change.
    reminders: Annotated[list[Window], Field(min_length=1, max_length=10)] | None = None

    @model_validator(mode="after")
    def _one_deadline(self) -> Self:
        if (self.window is None) == (self.cut_off is None):
            raise ValueError("needs either window or cut_off")
        if self.cut_off and not self.calendar:
            raise ValueError("a cut_off needs a calendar: it gives the time zone")
        for before in self.reminders or ():
            if self.window is not None and self.calendar is None and before >= self.window:
                raise ValueError(
                    f"a reminder {isodate.duration_isoformat(before)} before the deadline would "
                    "come before the clock starts"
                )
        if len(set(self.reminders or ())) < len(self.reminders or ()):
            raise ValueError("two reminders at the same time")
        if STATUSES.get(self.clock) in _DECISIVE:
            raise ValueError(f"{self.clock} settles an order: no clock starts with it")
        return self


class _File(_Part):
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    calendars: dict[Name, _Calendar] = {}
    policies: Annotated[list[_Policy], Field(min_length=1)]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        names = [policy.name for policy in self.policies]
        for number, policy in enumerate(self.policies, 1):
            if names.count(policy.name) > 1:
                raise ValueError(f"two policies are called {policy.name}")
            if policy.calendar is not None and policy.calendar not in self.calendars:
                raise ValueError(f"{policy.name}: there is no calendar {policy.calendar}")
            if policy.when.match().everything and number < len(names):
                raise ValueError(
                    f"{policy.name} has no `when`: the policies after it are never reached"
                )
        if not self.policies[-1].when.match().everything:
            raise ValueError("the last policy must have no `when`, for all other orders")
        for policy in self.policies:
            self._reachable(policy)
        return self

    def terms(self, grace: timedelta) -> Policies:
        return Policies(
            tuple(Rule(one.when.match(), self._policy(one, grace)) for one in self.policies)
        )

    def _policy(self, one: _Policy, grace: timedelta) -> Policy:
        calendar = self.calendars[one.calendar].calendar(one.calendar) if one.calendar else None
        return Policy(
            name=one.name,
            window=one.window or timedelta(0),
            grace=grace if one.grace is None else one.grace,
            at_lapse=one.at_lapse,
            version=self.version,
            clock=one.clock,
            calendar=calendar,
            cut_off=CutOff(one.cut_off.until, one.cut_off.by) if one.cut_off else None,
            dispute=Dispute(one.dispute.type, one.dispute.text),
            reminders=tuple(one.reminders or ()),
            source=self._source(one, grace),
        )

    def _source(self, one: _Policy, grace: timedelta) -> str:
        terms = one.model_dump(mode="json", exclude={"name", "when"}, exclude_none=True)
        terms["grace"] = isodate.duration_isoformat(grace if one.grace is None else one.grace)
        if one.calendar:
            terms["calendar"] = self.calendars[one.calendar].terms()
        return json.dumps(terms, sort_keys=True, ensure_ascii=False)

    def _reachable(self, one: _Policy) -> None:
        policy = self._policy(one, timedelta(0))
        now = datetime.now(UTC)
        for year in _TRIED_YEARS:
            try:
                policy.due(now + timedelta(days=365 * year))
            except OverflowError as error:
                raise ValueError(f"{one.name}: impossible window: {error}") from None
