"""The sample marketplace alone, for a worker elsewhere: ``python -m worker.dev``.

It publishes to the broker and topics of the settings, which must be there, until SIGTERM or Ctrl-C
ends it with status 0. ``--rate`` is in orders a second. The worker needs the same window and grace.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from worker.dev.ledger import Account, Ledger, Message
from worker.dev.marketplace import Marketplace
from worker.errors import KafkaUnavailable
from worker.exit_status import ExitStatus
from worker.kafka.admin import KafkaAdmin
from worker.settings import Settings


class NoLedger(Ledger):
    """Keeps nothing: nobody audits here, and the marketplace may run for weeks."""

    def open(self, order_id: str, did: str, planned: int = 0) -> Account:
        """An account that nobody keeps."""
        return Account(order_id, did)

    def enter(self, message: Message, at: datetime) -> None:
        """Forget it."""


async def publish(settings: Settings, rate: float) -> None:
    """Publish until cancelled.

    Raises:
        KafkaUnavailable: no broker answers, or a topic is missing.
    """
    admin = KafkaAdmin(settings)
    try:
        topics = await admin.topics(settings.input_topics)
    finally:
        await admin.close()
    status = topics.get(settings.order_status_changed_topic)
    if status is None or settings.order_created_topic not in topics:
        raise KafkaUnavailable("a topic is missing: run `plazo topics create`")
    market = Marketplace(
        settings,
        NoLedger(),
        rate=rate,
        partitions=status.partitions,
        lasting=None,
        # After a restart it must not tell the orders of before once more.
        first=time.time_ns() // 1_000_000,
    )
    await market.run(settings.kafka_bootstrap_servers)


async def _until_stopped(settings: Settings, rate: float) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    await publish(settings, rate)


def main(arguments: Sequence[str]) -> int:
    """Publish and return the status."""
    parser = argparse.ArgumentParser(prog="python -m worker.dev", description=__doc__)
    parser.add_argument("--rate", type=float, default=2.0)
    chosen = parser.parse_args(arguments)
    try:
        with suppress(asyncio.CancelledError):
            asyncio.run(_until_stopped(Settings(), chosen.rate))
    except KafkaUnavailable as error:
        sys.stderr.write(f"python -m worker.dev: {error}\n")
        return ExitStatus.UNAVAILABLE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
