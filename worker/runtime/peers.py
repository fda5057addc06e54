"""Tells which other workers are gone, by the rows that they rewrite while they live.

A doubt costs little: a live worker that is removed from the group joins again at once, and the
fences of its lanes hold meanwhile. So it may happen, but seldom, and never again and again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# Seconds between two beats of a worker.
INTERVAL = 0.5
# A worker whose session with Postgres has ended and that does not beat again for so many seconds is
# gone. One that merely lost its connection beats over another.
_ENDED = 1.0
# Nobody removes the same process twice within this time.
_SPARED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Peer:
    """Another worker, as its row and the server's sessions show it.

    ``session_ended`` is only true where the session of its last beat was of this server. ``age``
    is the time since that beat and ``removed_for`` that since its removal, by Postgres's clock.
    """

    name: str
    owner: str
    member_id: str | None
    absence: timedelta
    beat_at: datetime
    age: timedelta
    stopped: bool
    session_ended: bool
    removed_for: timedelta | None


class Peers:
    """Follows the other workers. ``silent`` seconds without a beat are an end without a proof."""

    def __init__(self, silent: float) -> None:
        self._silent = silent
        # By name: its last beat, and for how many seconds we have seen no other.
        self._quiet: dict[str, tuple[datetime, float]] = {}
        self._looked_at: float | None = None

    def look(self, peers: Collection[Peer], now: float) -> None:
        """Take in the rows as they are at the monotonic time ``now``, in seconds."""
        # While we saw nothing, because we or Postgres stood still, the others may have, too.
        since = 0.0 if self._looked_at is None else min(now - self._looked_at, 2 * INTERVAL)
        self._looked_at = now
        before, self._quiet = self._quiet, {}
        for peer in peers:
            beat_at, quiet = before.get(peer.name, (None, 0.0))
            # What Postgres tells of the time before our first look counts with a proof only.
            first = peer.age.total_seconds() if peer.session_ended or peer.stopped else 0.0
            quiet = quiet + since if beat_at == peer.beat_at else 0.0
            self._quiet[peer.name] = peer.beat_at, quiet if beat_at is not None else first

    def gone(self, peer: Peer) -> bool:
        """Whether the process has ended or hangs: another may have its name."""
        return peer.stopped or self._quiet_for(peer) >= self._patience(peer)

    def lost(self, peers: Collection[Peer]) -> Sequence[Peer]:
        """Those who are gone, do not come back in time, and are in the group still."""
        return [
            peer
            for peer in peers
            if peer.member_id is not None
            and (peer.removed_for is None or peer.removed_for > _SPARED)
            and self.gone(peer)
            and self._quiet_for(peer) >= peer.absence.total_seconds()
        ]

    def _quiet_for(self, peer: Peer) -> float:
        return self._quiet[peer.name][1]

    def _patience(self, peer: Peer) -> float:
        return _ENDED if peer.session_ended else self._silent
