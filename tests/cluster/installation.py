"""An installation of Plazo in a namespace, and the judge of the end-to-end tests over it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.end_to_end.audit import audit, unsettled
from tests.end_to_end.reader import Reader
from tests.end_to_end.world import MAX_RECORD_BYTES, World
from tests.support.topics import Topics
from tests.support.waiting import eventually

from .control_plane import ControlPlane

# What `plazo topics create` makes.
PARTITIONS = 12
GRACE = timedelta(seconds=1)


def settings(bootstrap: str, topics: Topics, window: timedelta) -> dict[str, str]:
    """Those of the config map: seconds instead of a day, as in the end-to-end tests."""
    return {
        "PLAZO_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        **topics.environment(),
        "PLAZO_GROUP_ID": topics.order_created,
        "PLAZO_STOCK_WINDOW": f"PT{window.seconds}S",
        "PLAZO_GRACE": f"PT{GRACE.seconds}S",
        "PLAZO_MAX_RECORD_BYTES": str(MAX_RECORD_BYTES),
        "PLAZO_SESSION_TIMEOUT": "PT6S",
        "PLAZO_DRAIN_TIMEOUT": "PT10S",
        # Half of these sellers and more are silent on purpose, and the judge follows each order.
        "PLAZO_BRAKE_SHARE": "1",
        "PLAZO_ASTRAY_REFUSALS": "ignore",
        "PLAZO_BEFORE_ADOPTION": "decide",
    }


def topics(prefix: str) -> Topics:
    """Names for an installation; its own job makes them."""
    inputs = (f"{prefix}.order-created", f"{prefix}.order-status-changed")
    decisions, dead_letters = f"{prefix}.decisions", f"{prefix}.dead-letters"
    widths = dict.fromkeys((*inputs, decisions), PARTITIONS) | {dead_letters: 1}
    return Topics(*inputs, decisions, dead_letters, widths)


@dataclass
class Installation:
    """What was installed, by whichever tool."""

    plane: ControlPlane
    namespace: str
    topics: Topics
    bootstrap: str
    window: timedelta

    def kubectl(self, *arguments: str, **options: Any) -> str:
        return self.plane.kubectl(f"--namespace={self.namespace}", *arguments, **options)

    def pods(self) -> list[dict[str, Any]]:
        """The workers that are not about to end."""
        found: dict[str, Any] = json.loads(
            self.kubectl("get", "pods", "-lapp.kubernetes.io/component=worker", "--output=json")
        )
        return [one for one in found["items"] if "deletionTimestamp" not in one["metadata"]]

    def ready(self) -> list[str]:
        """The names of the workers that are ready."""
        return [
            pod["metadata"]["name"]
            for pod in self.pods()
            if any(one["ready"] for one in pod["status"].get("containerStatuses", ()))
        ]

    def restarts(self) -> int:
        """How often a container of the present pods was started again."""
        return sum(
            one["restartCount"]
            for pod in self.pods()
            for one in pod["status"].get("containerStatuses", ())
        )

    async def all_ready(self, timeout: float = 120) -> None:
        try:
            await eventually(lambda: len(self.ready()) == 2, timeout, interval=0.5)
        except AssertionError:
            said = self.kubectl("describe", "pods")[-3000:]
            logs = self.kubectl("logs", "-lapp.kubernetes.io/name=plazo", "--prefix", "--tail=15")
            raise AssertionError(f"not ready: {said}\n{logs}") from None

    async def evict(self, pod: str) -> str:
        """What the API answers: ``201``, or why it does not."""
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction",
                    "metadata": {"name": pod, "namespace": self.namespace}}  # fmt: skip
        url = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"
        try:
            self.kubectl("create", f"--raw={url}", "--filename=-", given=eviction)
        except AssertionError as error:
            return str(error)
        return "201"

    async def stop(self) -> None:
        """No worker is left, each of them drained."""
        self.kubectl("scale", "deployment/plazo", "--replicas=0")
        await eventually(
            lambda: (
                not json.loads(
                    self.kubectl("get", "pods", "-lapp.kubernetes.io/component=worker", "-ojson")
                )["items"]
            ),
            90,
            interval=0.5,
        )

    @asynccontextmanager
    async def judged(self, world: World) -> AsyncIterator["asyncio.Task[None]"]:
        """The world publishes while the body runs; afterwards the judge finds nothing.

        Prints what it counted. No worker runs afterwards.
        """
        decisions, dead_letters = self.topics.decisions, self.topics.dead_letters
        async with Reader(self.bootstrap, decisions, dead_letters) as reader:
            task = asyncio.create_task(world.publish(self.bootstrap, reader.first_seen))
            try:
                yield task
                await task
                last = max(order.entered_at for order in world.orders.values()) + self.window
                end = max(last + GRACE, world.last_stored_at) + timedelta(seconds=2)
                with suppress(AssertionError):  # the audit says what is missing
                    await eventually(
                        lambda: datetime.now(UTC) > end and not unsettled(world, reader), 60,
                        interval=0.5,
                    )  # fmt: skip
                await self.stop()
                await reader.catch_up()
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            found = audit(world, reader)
            print(found)
            found.check()
