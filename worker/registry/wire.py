"""The wire format of Confluent: a zero byte and the id of a schema before a value or key."""

import struct
import uuid
from typing import Final

# The number of a schema in its registry, or its GUID.
SchemaId = int | uuid.UUID

FRAME: Final = b"\0"
FRAMED_AT: Final = 5
# Registries count in four bytes with a sign, from one on.
HIGHEST_ID: Final = (1 << 31) - 1


def frame(schema: int) -> bytes:
    """What stands before the bytes that were written by a schema."""
    return FRAME + struct.pack(">I", schema)
