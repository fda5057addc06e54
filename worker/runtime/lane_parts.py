"""The parts of one lane, built for one fencing epoch."""

from dataclasses import dataclass

from worker.decide.deadlines import ChangeLimits
from worker.decide.judge import Judge
from worker.decide.lapse import Lapse
from worker.decide.reconsider import Reconsider
from worker.decide.reminders import Reminders
from worker.decide.sweep import SweepFrame
from worker.ingest.apply import Intake
from worker.ingest.plain import compiled
from worker.lanes.lane import Lane
from worker.outbox.dead_letters import DeadLetterOutbox
from worker.outbox.relay import Relay
from worker.runtime.services import Services


@dataclass(frozen=True, slots=True)
class LaneParts:
    """A lane with its transactions and its relay."""

    lane: Lane
    intake: Intake
    lapse: Lapse
    reconsider: Reconsider
    reminders: Reminders
    relay: Relay
    dead_letters: DeadLetterOutbox

    @classmethod
    def of(cls, services: Services, lane: Lane) -> "LaneParts":
        """The parts of a lane that was just taken over."""
        settings, clock, metrics = services.settings, services.clock, services.metrics
        # A verdict is more work than a record, and records wait in the meantime.
        most = max(1, settings.batch_size // 2)
        frame = SweepFrame(lane, clock, services.clocks, metrics, most, services.sweeps)
        judge = Judge(
            services.scope,
            services.policies,
            ChangeLimits.of(settings),
            settings.confirm_within,
            services.brake,
            escalate_before_adoption=settings.before_adoption == "escalate",
        )
        return cls(
            lane=lane,
            intake=Intake(
                lane,
                services.decoder,
                services.policies,
                clock,
                services.clocks,
                metrics,
                services.writer,
                traced=services.traces is not None,
                orders_topic=settings.order_created_topic,
                least_window=None
                if settings.before_adoption == "decide"
                else settings.least_window,
                keep_bodies=settings.keep_bodies,
                native=compiled() if settings.compiled else None,
            ),
            lapse=Lapse(frame, judge, services.scope, settings.outage_after),
            reconsider=Reconsider(frame, judge, services.policies, services.brake),
            reminders=Reminders(frame, services.scope, judge, services.policies),
            relay=Relay(
                lane,
                settings,
                services.producer,
                services.offsets,
                clock,
                metrics,
                services.traces,
                services.encoding,
            ),
            dead_letters=DeadLetterOutbox(lane, settings, services.producer, services.offsets),
        )
