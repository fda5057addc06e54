"""The health of the worker: whether it lives, and which of its parts are not ready."""

import time
from collections.abc import Callable, Iterable


class Health:
    """Liveness and readiness for the orchestrator.

    A part is not ready until it reports so. The worker is live while its event loop calls
    :meth:`turn` and its main loop calls :meth:`beat` at least every ``patience`` seconds. Before
    the first heartbeat it is starting, and counts as live: a migration or an unavailable broker is
    no reason for a restart. The questions may come from another thread.
    """

    def __init__(
        self,
        parts: Iterable[str] = (),
        *,
        patience: float = 60.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._waiting = dict.fromkeys(parts, "starting")
        self._patience = patience
        self._monotonic = monotonic
        self._beat: float | None = None
        self._turned: float | None = None

    def set_not_ready(self, part: str, reason: str) -> None:
        """Report why a part does no work. The reason is public: no personal data."""
        self._waiting[part] = reason

    def set_ready(self, part: str) -> None:
        """Report that a part is at work."""
        self._waiting.pop(part, None)

    def beat(self) -> None:
        """Record a heartbeat of the main loop."""
        self._beat = self._monotonic()

    def turn(self) -> None:
        """Record that the event loop turns."""
        self._turned = self._monotonic()

    def live(self) -> bool:
        """Whether the event loop turned and the main loop sent a heartbeat recently."""
        now = self._monotonic()
        return all(at is None or now - at <= self._patience for at in (self._turned, self._beat))

    def at_work(self, part: str) -> bool:
        """Whether this part is at work."""
        return part not in self._waiting

    @property
    def ready(self) -> bool:
        """Whether every part is at work."""
        return not self._waiting

    @property
    def reasons(self) -> list[str]:
        """The reasons why it is not ready, as ``part: reason``."""
        return [f"{part}: {reason}" for part, reason in sorted(self._waiting.copy().items())]
