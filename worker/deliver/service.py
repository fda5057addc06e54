"""``plazo deliver``: a sink for each receiver, with probes and metrics, until a signal."""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress

from worker.deliver.dead_letters import DeadLetterFile
from worker.deliver.decisions import Decisions
from worker.deliver.receivers import Receiver
from worker.deliver.sender import Sender
from worker.deliver.sink import Sink
from worker.deliver.webhook import signers
from worker.observability.health import Health
from worker.observability.http import HttpServer
from worker.observability.logs import logger
from worker.observability.metrics import DeliverMetrics
from worker.settings import Settings

log = logger(__name__)


class Deliver:
    """One process of ``plazo deliver``.

    Raises:
        ReaderNotInstalled: as :class:`Decisions`.
    """

    def __init__(self, settings: Settings, receivers: Sequence[Receiver]) -> None:
        self._settings = settings
        self._receivers = receivers
        metrics = DeliverMetrics([one.name for one in receivers])
        health = Health()
        self._decisions = Decisions(settings)
        self._file = DeadLetterFile(settings.deliver_dead_letters)
        self._senders = [Sender(one, signers(one.secrets), settings, metrics) for one in receivers]
        self._sinks = [
            Sink(one, sender, self._decisions, self._file, settings, metrics, health)
            for one, sender in zip(receivers, self._senders, strict=True)
        ]
        self._http = HttpServer(settings.http_host, settings.http_port, metrics.registry, health)

    def stop(self) -> None:
        """Ask it to finish the requests under way and to end."""
        for sink in self._sinks:
            sink.stop()

    async def run(self) -> None:
        """Deliver until :meth:`stop` or a signal.

        Raises:
            FileNotWritable, CannotListen: waiting does not help.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError, RuntimeError):
                loop.add_signal_handler(number, self.stop)
        self._file.check()
        await self._http.start()
        log.info(
            "deliver_started",
            port=self._http.port,
            topic=self._settings.decisions_topic,
            receivers={one.name: one.shown for one in self._receivers},
        )
        try:
            for sender in self._senders:
                await sender.open()
            await self._run_sinks()
        finally:
            for sender in self._senders:
                await sender.close()
            await self._decisions.close()
            await self._http.stop()
            log.info("deliver_stopped")

    async def _run_sinks(self) -> None:
        """Run all; a fault of our own in one ends the others in order."""
        running = [asyncio.create_task(sink.run()) for sink in self._sinks]
        done, rest = await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
        self.stop()
        await asyncio.gather(*rest, return_exceptions=True)
        for task in done:
            task.result()
