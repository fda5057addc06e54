"""Auto-cancels that somebody has to carry out: who did not is told, once."""

from collections.abc import Callable

from tests.support.market import Market, now
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.storage.migrate import migrate

CANCEL = "auto-cancel stock-not-validated"


async def test_what_is_not_carried_out_escalates(
    new_worker: Callable[..., WorkerProcess], kafka: Kafka, topics: Topics, database: str
) -> None:
    """Not the confirmed one, nor the revoked one; and a crash in between repeats nothing."""
    await migrate(database)
    market = Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)
    terms = {"stock_window": "PT1S", "grace": "PT0S", "confirm_within": "PT4S"}
    worker = await new_worker(topics, **terms).start().wait_ready()
    entered = now()
    names = ("forgotten", "carried-out", "revoked")
    await market.publish(*(market.order(name, entered) for name in names))
    await market.told(*(f"{name} {CANCEL}" for name in names))
    await market.publish(
        market.act("carried-out", "canceled"), market.act("revoked", "start-handling", entered)
    )
    everything = (
        *(f"{name} {CANCEL}" for name in names),
        "revoked decision-revoked late-evidence",
        "forgotten escalation cancel-unconfirmed",
    )
    await market.told(*everything)
    worker.sigkill()
    worker = await new_worker(topics, **terms).start().wait_ready()

    async def settled() -> bool:
        metrics = await worker.metrics()
        names = [name for name in metrics if name.startswith("plazo_open_deadlines")]
        return len(names) == 3 and not sum(metrics[name] for name in names)

    await eventually(settled, 30)
    await market.told(*everything)
    # The cancellation that comes at last changes nothing.
    await market.publish(market.act("forgotten", "canceled"), market.order("last"))
    await market.told(*everything, f"last {CANCEL}", "last escalation cancel-unconfirmed")
    assert await worker.sigterm() == 0
