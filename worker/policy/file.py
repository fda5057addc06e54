"""The policy file: YAML, read whole, or refused with every fault and its line."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import isodate
import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from schemas.statuses import Vocabulary, normalise
from schemas.types import Name, Text
from worker.domain.acts import ORDER_CREATED
from worker.domain.policy import AtLapse, CutOff, Dispute, Policies, Policy, Rule
from worker.errors import PolicyInvalid
from worker.located_yaml import line_of, repeated_keys
from worker.policy.calendars import CalendarPart, Minutes, Part, listed
from worker.policy.conditions import When
from worker.policy.words import clock_fault, meanings, vocabulary
from worker.settings import Duration

_FORM = Dispute()
_WORKING_DAYS = re.compile(r"([1-9][0-9]{0,2}) working days?")
# Every deadline must be reachable from starts in these years, so that no order is the first to
# meet a fault.
_TRIED_YEARS = range(5)


_DAY = timedelta(hours=24)


def load(path: Path, grace: timedelta, window: timedelta = _DAY) -> Policies:
    """The policies of a file; ``grace`` and ``window`` serve those without their own.

    Raises:
        PolicyInvalid: the file is unreadable or breaks a rule; with the lines.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyInvalid([f"{path}: {error}"]) from None
    return parse(text, grace, window, name=str(path))


def parse(
    text: str, grace: timedelta, window: timedelta = _DAY, *, name: str = "policy file"
) -> Policies:
    """The policies in a text. Raises: as :func:`load`."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            raise PolicyInvalid([f"{name}: is empty"])
        if repeated := list(repeated_keys(root)):
            raise PolicyInvalid([f"{name}:{line}: {key}: given twice" for line, key in repeated])
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise PolicyInvalid([f"{name}{line}: {getattr(error, 'problem', error)}"]) from None
    try:
        return _File.model_validate(content).terms(_Defaults(grace, window))
    except ValidationError as error:
        raise PolicyInvalid(
            [
                f"{name}:{line_of(root, fault['loc'])}: "
                f"{'.'.join(map(str, fault['loc'])) or 'file'}: {_without_prefix(fault['msg'])}"
                for fault in error.errors(include_url=False)
            ]
        ) from None


def _without_prefix(message: str) -> str:
    return message.removeprefix("Value error, ")


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("not a duration such as 24h, 30s or PT24H")
    return value


Span = Annotated[Duration, BeforeValidator(_text)]
Words = Annotated[list[Name], BeforeValidator(listed), Field(min_length=1), AfterValidator(sorted)]
Window = Annotated[Span, Field(gt=timedelta(0), le=timedelta(days=365))]


FactsMissing = Literal["escalate", "ignore"]


class _Defaults(NamedTuple):
    """The terms of the settings, for policies that do not give their own."""

    grace: timedelta
    window: timedelta = _DAY


class _CutOff(Part):
    until: Minutes
    by: Minutes

    @model_validator(mode="after")
    def _ahead(self) -> Self:
        if self.by <= self.until:
            raise ValueError("by comes after until, on the same day")
        return self


class _Dispute(Part):
    type: Name = _FORM.type
    text: Annotated[Text, Field(min_length=1)] = _FORM.text


class _Policy(Part):
    # None rather than empty or a default, wherever a later version has added a key: the stored
    # terms of versions in force must not change.
    name: Name
    when: When = When()
    window: Window | None = None
    working_days: Annotated[int, Field(ge=1, le=365)] | None = None
    cut_off: _CutOff | None = None
    due_from: Literal["order"] | None = None
    clock: Name = ORDER_CREATED
    stops: Words | None = None
    calendar: str | None = None
    grace: Annotated[Span, Field(ge=timedelta(0), le=timedelta(days=30))] | None = None
    at_lapse: AtLapse = AtLapse.AUTO_CANCEL
    facts_missing: FactsMissing | None = None
    dispute: _Dispute = _Dispute()
    reminders: Annotated[list[Window], Field(min_length=1, max_length=10)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _in_working_days(cls, given: Any) -> Any:
        """``window: 2 working days``: a window that is no duration."""
        if not isinstance(given, dict):
            return given
        if "working_days" in given:
            raise ValueError("write working days as a window, such as window: 2 working days")
        found = _WORKING_DAYS.fullmatch(str(given.get("window")).strip())
        if found is None:
            return given
        return {k: v for k, v in given.items() if k != "window"} | {"working_days": int(found[1])}

    @model_validator(mode="after")
    def _one_deadline(self) -> Self:
        windows = [each for each in (self.window, self.working_days) if each is not None]
        if self.due_from and (self.cut_off or self.stops or self.starts != ORDER_CREATED):
            raise ValueError("a due_from has no cut_off, clock or stops: the order tells its due")
        if not self.due_from and len(windows) + (self.cut_off is not None) != 1:
            raise ValueError("needs either window or cut_off, or due_from: order")
        if self.cut_off and not self.calendar:
            raise ValueError("a cut_off needs a calendar: it gives the time zone")
        if self.working_days and not self.calendar:
            raise ValueError("working days need a calendar")
        return self

    @model_validator(mode="after")
    def _reminders_in_time(self) -> Self:
        reminders = self.reminders or []
        fixed = self.window if self.calendar is None and self.due_from is None else None
        for before in reminders:
            if fixed is not None and before >= fixed:
                raise ValueError(
                    f"a reminder {isodate.duration_isoformat(before)} before the deadline would "
                    "come before the clock starts"
                )
        if len(set(reminders)) < len(reminders):
            raise ValueError("two reminders at the same time")
        return self

    @property
    def starts(self) -> str:
        """The status that starts the clock, normalised."""
        return normalise(self.clock)

    @property
    def stopped_by(self) -> frozenset[str]:
        """The statuses that stop the clock, normalised."""
        return frozenset(map(normalise, self.stops or ()))


class _File(Part):
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    facts_missing: FactsMissing = "escalate"
    statuses: dict[Name, Name] = Field(default_factory=dict)
    calendars: dict[Name, CalendarPart] = Field(default_factory=dict)
    policies: Annotated[list[_Policy], Field(min_length=1)]

    @field_validator("statuses")
    @classmethod
    def _known_meanings(cls, given: dict[str, str]) -> dict[str, str]:
        meanings(given)
        return given

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
        known = self._vocabulary().known
        for policy in self.policies:
            if fault := clock_fault(policy.starts, policy.stopped_by, known):
                raise ValueError(f"{policy.name}: {fault}")
            self._reachable(policy)
        return self

    def terms(self, defaults: _Defaults) -> Policies:
        return Policies(
            tuple(self._rule(one, defaults) for one in self.policies), self._vocabulary()
        )

    def _vocabulary(self) -> Vocabulary:
        clocks = {word for one in self.policies for word in (one.starts, *one.stopped_by)}
        return vocabulary(meanings(self.statuses), clocks)

    def _rule(self, one: _Policy, defaults: _Defaults) -> Rule:
        strict = (one.facts_missing or self.facts_missing) == "escalate"
        own_window = one.window is not None or one.working_days is not None
        return Rule(
            one.when.match(),
            self._policy(one, defaults),
            needs_facts=strict,
            needs_due=strict and one.due_from is not None and not own_window,
        )

    def _policy(self, one: _Policy, defaults: _Defaults) -> Policy:
        calendar = self.calendars[one.calendar].calendar(one.calendar) if one.calendar else None
        return Policy(
            name=one.name,
            window=_window(one, defaults) or timedelta(0),
            grace=defaults.grace if one.grace is None else one.grace,
            at_lapse=one.at_lapse,
            version=self.version,
            clock=one.starts,
            stops=one.stopped_by,
            calendar=calendar,
            cut_off=CutOff(one.cut_off.until, one.cut_off.by) if one.cut_off else None,
            working_days=one.working_days or 0,
            told=one.due_from is not None,
            dispute=Dispute(one.dispute.type, one.dispute.text),
            reminders=tuple(one.reminders or ()),
            source=self._source(one, defaults),
        )

    def _source(self, one: _Policy, defaults: _Defaults) -> str:
        # The conditions, and what follows where a fact for them is missing, are no terms.
        conditions = {"name", "when", "facts_missing"}
        terms = one.model_dump(mode="json", exclude=conditions, exclude_none=True)
        terms["grace"] = isodate.duration_isoformat(
            defaults.grace if one.grace is None else one.grace
        )
        if one.due_from and (window := _window(one, defaults)):
            terms["window"] = isodate.duration_isoformat(window)
        if one.calendar:
            terms["calendar"] = self.calendars[one.calendar].terms()
        return json.dumps(terms, sort_keys=True, ensure_ascii=False)

    def _reachable(self, one: _Policy) -> None:
        policy = self._policy(one, _Defaults(timedelta(0)))
        now = datetime.now(UTC)
        for year in _TRIED_YEARS:
            try:
                policy.due(now + timedelta(days=365 * year))
            except OverflowError as error:
                raise ValueError(f"{one.name}: impossible window: {error}") from None


def _window(one: _Policy, defaults: _Defaults) -> timedelta | None:
    """The window as a duration; orders that should tell their due, and do not, need one too."""
    if one.window is None and one.due_from and one.working_days is None:
        return defaults.window
    return one.window
