"""Delivers the decisions of a dead-letter file again, once the receiver is mended."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from worker.deliver.answers import Meaning
from worker.deliver.decisions import DecisionNotReadable, Decisions
from worker.deliver.receivers import Receiver
from worker.deliver.sender import Sender
from worker.deliver.webhook import signers, webhook
from worker.errors import PlazoError
from worker.observability.metrics import DeliverMetrics
from worker.records import Record
from worker.settings import Settings


class FileNotReadable(PlazoError):
    """The file cannot be read, or a line of it is not ours."""


class Result(NamedTuple):
    """One line of the file; ``error`` is empty if the receiver took it now."""

    line: int
    receiver: str
    id: str | None
    error: str


class _Line(NamedTuple):
    number: int
    receiver: str
    record: Record
    id: str | None


def _lines(path: Path) -> Iterator[_Line]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                one: Any = json.loads(text)
                yield _Line(number, str(one["receiver"]), _record(one), one["id"])
    except OSError as error:
        raise FileNotReadable(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise FileNotReadable(f"{path}: a line is no dead letter of `plazo deliver`") from None


def _record(one: Mapping[str, Any]) -> Record:
    headers = tuple((name, text.encode()) for name, text in one["headers"].items())
    value = base64.b64decode(one.get("body_base64", "")) or one["body"].encode()
    return Record(one["topic"], one["partition"], one["offset"], 0, None, value, headers)


async def deliver_again(
    path: Path, receivers: Sequence[Receiver], settings: Settings
) -> list[Result]:
    """Send each line once, one after another; those of receivers that are not given are left out.

    Raises:
        FileNotReadable: nothing was sent.
        ReaderNotInstalled: as :class:`Decisions`.
    """
    lines, decisions = [*_lines(path)], Decisions(settings)
    metrics = DeliverMetrics([one.name for one in receivers])
    found: list[Result] = []
    for receiver in receivers:
        sender = Sender(receiver, signers(receiver.secrets), settings, metrics)
        await sender.open()
        try:
            for line in lines:
                if line.receiver == receiver.name:
                    found.append(await _send(sender, decisions, line))
        finally:
            await sender.close()
    await decisions.close()
    return found


async def _send(sender: Sender, decisions: Decisions, line: _Line) -> Result:
    try:
        one = webhook(await decisions.plain(line.record))
    except DecisionNotReadable as unreadable:
        return Result(line.number, line.receiver, line.id, str(unreadable))
    if one is None:
        return Result(line.number, line.receiver, line.id, "not-a-decision")
    answer = await sender.attempt(one)
    error = "" if answer.meaning is Meaning.TAKEN else answer.error
    return Result(line.number, line.receiver, line.id, error)
