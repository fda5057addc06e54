"""The file of the decisions that a receiver did not take: one JSON object on each line."""

import asyncio
import base64
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from schemas import events as names
from worker.errors import PlazoError
from worker.records import Record


class FileNotWritable(PlazoError):
    """The dead-letter file cannot be written now."""


class Failure(NamedTuple):
    """The reason why a decision was not delivered."""

    receiver: str
    error: str  # `status 410`, `attempts`, `not-a-decision`
    attempts: int


class DeadLetterFile:
    """Appends whole lines, and returns once they are on the disk. Only its owner may read it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self) -> None:
        """Open it once.

        Raises:
            FileNotWritable
        """
        self._append(b"")

    async def write(self, record: Record, failure: Failure, now: datetime) -> None:
        """Keep a record.

        Raises:
            FileNotWritable
        """
        line = json.dumps(_line(record, failure, now), ensure_ascii=False) + "\n"
        await asyncio.to_thread(self._append, line.encode())

    def _append(self, data: bytes) -> None:
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                # One call, so that lines of two processes do not mix.
                if os.write(file, data) < len(data):
                    os.write(file, b"\n")  # the rest is missing: this line is void
                    raise OSError("short write")
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            raise FileNotWritable(f"{self._path}: {why}") from None


def _line(record: Record, failure: Failure, now: datetime) -> dict[str, Any]:
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    return {
        "at": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        **failure._asdict(),
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "id": headers.get(names.CE_ID),
        "type": headers.get(names.CE_TYPE),
        "headers": headers,
        **_body(record.value or b""),
    }


def _body(value: bytes) -> dict[str, str]:
    """As text, or in Base64 if it is none."""
    try:
        return {"body": value.decode()}
    except UnicodeDecodeError:
        return {"body": "", "body_base64": base64.b64encode(value).decode()}
