"""The form of a planted fault, and the files that most are planted in."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PlantedFault:
    """A fault, and the promise that it breaks.

    The simulation must catch it ``within`` so many seeds. 0 is for a fault that a second line of
    defence holds: it must survive ``SURVIVES`` seeds.

    ``seed`` is one that catches it; where a second line holds, one at which the fault would show
    without that line. ``None`` where none is known.

    ``edits``: file, old text, new text.
    """

    name: str
    breaks: str
    within: int
    seed: int | None
    edits: tuple[tuple[str, str, str], ...]


SURVIVES = 300
WRITER, READER = "worker/ingest/writer.py", "worker/ingest/reader.py"
ENTERING = "worker/ingest/entering.py"
SWEEP, LAPSE = "worker/decide/sweep.py", "worker/decide/lapse.py"
JUDGE, HEARING = "worker/decide/judge.py", "worker/decide/hearing.py"
VERDICTS = "worker/decide/verdicts.py"
LANE = "worker/lanes/lane.py"
RELAY, FRESHNESS = "worker/outbox/relay.py", "worker/freshness/prover.py"
DECIDE = "worker/domain/decide.py"
MODEL_OF_BRAKE = "tests/simulation/statements/brake.py"
MODEL_OF_DECIDE = "tests/simulation/statements/decide.py"
MODEL_OF_INGEST = "tests/simulation/statements/ingest.py"
MODEL_OF_LANES = "tests/simulation/statements/lanes.py"
MODEL_OF_NOTICES = "tests/simulation/statements/notices.py"
ENTRY = "worker/ingest/entry.py"
CYCLE, ROWS = "worker/domain/cycle.py", "worker/ingest/rows.py"
DEADLINES = "worker/decide/deadlines.py"
