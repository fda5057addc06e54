"""Sends webhooks to one receiver."""

import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import aiohttp

from worker.deliver.answers import Meaning, meaning_of, wait_wanted
from worker.deliver.receivers import Receiver
from worker.deliver.webhook import Signer, Webhook, signed
from worker.observability.metrics import DeliverMetrics
from worker.settings import Settings


class Answer(NamedTuple):
    """Of one attempt. ``wait`` is the time until the next that the receiver asked for, in s."""

    meaning: Meaning
    error: str
    wait: float = 0.0


class Sender:
    """Sends to one receiver."""

    def __init__(
        self,
        receiver: Receiver,
        signers: Sequence[Signer],
        settings: Settings,
        metrics: DeliverMetrics,
    ) -> None:
        self._receiver = receiver
        self._signers = signers
        self._settings = settings
        self._in_flight = metrics.in_flight.labels(receiver.name)
        self._session: aiohttp.ClientSession | None = None
        # By the clock of the loop: the receiver asked for no request before it.
        self._not_before = 0.0

    async def open(self) -> None:
        """Make the client."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._settings.deliver_in_flight, ssl=ssl.create_default_context()
            ),
            timeout=aiohttp.ClientTimeout(total=self._settings.deliver_timeout.total_seconds()),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "plazo-deliver"},
        )

    async def close(self) -> None:
        """Hang up."""
        if self._session is not None:
            await self._session.close()

    @property
    def asked_pause(self) -> float:
        """The seconds for which the receiver wants no request; it speaks of all, not of one."""
        return max(0.0, self._not_before - asyncio.get_running_loop().time())

    async def attempt(self, webhook: Webhook) -> Answer:
        """Send it once."""
        assert self._session is not None
        now = datetime.now(UTC)
        self._in_flight.inc()
        try:
            async with self._session.post(
                self._receiver.url,
                data=webhook.body.encode(),
                headers=signed(webhook, self._signers, now),
                allow_redirects=False,
            ) as answer:
                meaning, wait = meaning_of(answer.status), wait_wanted(answer.headers, now)
                if meaning is Meaning.AGAIN and wait:
                    self._not_before = asyncio.get_running_loop().time() + wait
                return Answer(meaning, f"status {answer.status}", wait)
        except TimeoutError:
            return Answer(Meaning.AGAIN, "timeout")
        except (aiohttp.ClientError, OSError) as error:
            # The class alone: its text may hold the address, and with it a token.
            return Answer(Meaning.AGAIN, type(error).__name__)
        finally:
            self._in_flight.dec()
