"""Puts simulated parts in place of real ones, and in place of others some that do nothing."""

import asyncio
import gc
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import worker.decide.brake
import worker.decide.judge
import worker.decide.sweep
import worker.decide.waiting
import worker.freshness.prover
import worker.ingest.reader
import worker.ingest.refusal_log
import worker.ingest.writer
import worker.runtime.lane_runner
import worker.runtime.lane_tasks
import worker.runtime.membership
import worker.runtime.services
import worker.runtime.startup
import worker.runtime.take_over
import worker.runtime.worker
from tests.simulation.database import SimDatabase
from tests.simulation.kafka_clients import (
    SimConsumer,
    SimOffsetReader,
    SimProducer,
)
from tests.simulation.loop import PROCESS, GatheringFuture
from tests.simulation.scenario.rules import Rules
from tests.simulation.statements import REMINDERS
from worker.domain.acts import ORDER_CREATED
from worker.domain.policy import AtLapse, Match, Policies, Policy, Rule
from worker.ingest.joint import Joint
from worker.settings import Settings

if TYPE_CHECKING:
    from tests.simulation.world import World


class _Nothing:
    """Stands for metrics and whatever else is only told."""

    def __getattr__(self, name: str) -> "_Nothing":
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> "_Nothing":
        return self


class _PatientJoint(Joint[Any]):
    """Waits for others: there are so few records that lanes would hardly ever meet."""

    async def _call(self) -> None:
        await asyncio.sleep(0.2)
        await super()._call()


class _Http:
    port = 0

    def __init__(self, *args: Any) -> None:
        pass

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass


class _Monitor:
    def __init__(self, *args: Any) -> None:
        pass

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()


class _Presence(_Monitor):
    """A live member that it removes in doubt fares as after a freeze: ``Group.silent``."""

    async def release(self) -> None:
        pass


class _Bound:
    """A log that adds fields to each entry."""

    def __init__(self, log: "_Log", fields: dict[str, Any]) -> None:
        self._log = log
        self._fields = fields

    def debug(self, event: str, /, **fields: Any) -> None:
        self._log.debug(event, **self._fields, **fields)


class _Log:
    """What the worker logs goes into the trace; what must never happen is a fault."""

    def info(self, event: str, /, **fields: Any) -> None:
        self._note(event, fields)

    debug = warning = info

    def bind(self, **fields: Any) -> "_Bound":
        return _Bound(self, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        world = self._note(event, fields)
        if event == "lane_halted" and world.may_halt(fields["lane"]):
            world.halted.add(fields["lane"])
        elif event == "lane_halted":
            world.violations.append(f"{world.loop.now:.3f}: {event} {fields}")

    def exception(self, event: str, /, **fields: Any) -> None:
        world = self._note(event, fields)
        what = f"{event} {fields}\n{traceback.format_exc()}"
        world.violations.append(f"{world.loop.now:.3f}: {what}")

    def _note(self, event: str, fields: dict[str, Any]) -> "World":
        process: Any = PROCESS.get()
        process.world.note(process, "log", event, fields)
        return process.world  # type: ignore[no-any-return]


_LOG, _NOTHING = _Log(), _Nothing()


def _load_policies(settings: Settings) -> Policies:
    process: Any = PROCESS.get()
    rules: Rules = process.world.scenario.rules
    former = rules.rolling and process.number % 2 == 1
    policy = Policy(
        "default",
        settings.stock_window,
        settings.grace,
        version=1 if rules.reminds else 0,
        stops=(rules.stop,) if rules.stop else (),
        clock=ORDER_CREATED if rules.clock is None or former else rules.clock,
        reminders=REMINDERS if rules.reminds else (),
    )
    if rules.field is None or rules.reminds:
        return Policies.of(policy)
    # See SIDES in scenario/records.py.
    return Policies(
        (
            Rule(
                Match(labels=(("lapse", "person"),)),
                replace(policy, name="person", at_lapse=AtLapse.ESCALATE),
            ),
            Rule(
                Match(labels=(("lapse", "nobody"),)),
                replace(policy, name="nobody", at_lapse=AtLapse.NONE),
            ),
            Rule(
                Match(currency="PEN", at_least=Decimal(500)),
                replace(policy, name="dear", at_lapse=AtLapse.ESCALATE),
            ),
            Rule(Match(), policy),
        )
    )


async def _claim_mode(_store: SimDatabase, _mode: str) -> None:
    """There is one mode in this world."""


async def _store_policies(_store: SimDatabase, _book: Policies) -> None:
    """The model's policies are there from the start."""


@contextmanager
def simulated() -> Iterator[None]:
    """Put the simulated parts in place of the real ones."""
    parts: dict[Any, dict[str, Any]] = {
        worker.runtime.services: {
            "OffsetReader": SimOffsetReader,
            "Producer": SimProducer,
            "Metrics": lambda settings: _NOTHING,
            "Database": SimDatabase,
            "load_policies": _load_policies,
        },
        worker.runtime.worker: {
            "HttpServer": _Http,
            "Monitor": _Monitor,
            "Presence": _Presence,
            "log": _LOG,
        },
        worker.runtime.startup: {
            "claim_mode": _claim_mode,
            "store_policies": _store_policies,
            "log": _LOG,
        },
        worker.runtime.membership: {"Consumer": SimConsumer, "log": _LOG},
        worker.runtime.lane_runner: {"log": _LOG},
        worker.runtime.lane_tasks: {"log": _LOG},
        worker.runtime.take_over: {"log": _LOG},
        # A tripped brake is an error for operators, and no fault of the worker.
        worker.decide.brake: {"log": _NOTHING},
        worker.decide.judge: {"log": _LOG},
        worker.decide.waiting: {"log": _LOG},
        worker.decide.sweep: {"log": _LOG},
        worker.freshness.prover: {"log": _LOG},
        asyncio.tasks: {"_GatheringFuture": GatheringFuture},
        # Its batches are small, its lanes few: let all ways of reading and of entering be gone.
        worker.ingest.reader: {"_SMALL": 2},
        worker.ingest.refusal_log: {"log": _LOG},
        worker.ingest.writer: {"COPY_THRESHOLD": 3, "_AT_ONCE": 1, "Joint": _PatientJoint},
    }
    real = {module: {name: vars(module)[name] for name in names} for module, names in parts.items()}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for module, names in parts.items():
            vars(module).update(names)
        with warnings.catch_warnings():
            # Processes that were killed leave coroutines behind that nobody will await.
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
    finally:
        for module, names in real.items():
            vars(module).update(names)
        if collecting:
            gc.enable()
