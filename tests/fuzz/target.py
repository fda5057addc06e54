"""What is fuzzed: any record becomes rows or a dead letter, and nothing raises.

What the compiled reader takes for plain, it reads as the decoder does.

An input is a text of lines, so that its parts can be read, and mutated apart: the number of the
format, the timestamp, the key, headers as ``name: value``, an empty line, and the value.
"""

from datetime import UTC, datetime, timedelta

from tests.support.plain import assert_same
from worker.ingest.decoder import Decoder
from worker.ingest.entry import Entry
from worker.ingest.plain import PlainReader, compiled
from worker.ingest.rows import Rows, decode_into
from worker.observability.metrics import Metrics
from worker.policy.registry import load_policies
from worker.records import Record
from worker.settings import Settings

_FORMATS = (
    ("plazo", "plazo"),
    ("vtex-order", "vtex-feed"),
    ("vtex-order", "vtex-hook"),
    ("mirakl-order", "mirakl-acts"),
    ("mapping:shopify", "mapping:shopify"),
    ("mapping:mercado-libre", "mapping:mercado-libre"),
)
_NOW = datetime(2026, 11, 22, 18, tzinfo=UTC)
_MAX_RECORD = 1 << 16

_SETTINGS = [
    Settings(
        _env_file=None,
        order_created_topic="created",
        order_status_changed_topic="status",
        order_created_format=created,
        order_status_changed_format=status,
        max_record_bytes=_MAX_RECORD,
    )
    for created, status in _FORMATS
]
_POLICIES = load_policies(_SETTINGS[0])
_DECODERS = [Decoder.of(each, timedelta(days=30)) for each in _SETTINGS]
_NATIVE = compiled()
_METRICS = Metrics(_SETTINGS[0])
_ENTRY = Entry(_POLICIES, "created", timedelta(hours=1))


def record_of(data: bytes) -> tuple[int, Record]:
    """The number of the format, and the record; each byte string is one."""
    head, _, value = data.partition(b"\n\n")
    lines = [*head.split(b"\n"), b"", b"", b""]
    number = int.from_bytes(lines[0][:1], "big") % (2 * len(_DECODERS))
    timestamp = lines[1].strip()
    # As the client hands them over: names leniently decoded.
    headers = tuple(
        (name.decode("utf-8", "surrogateescape"), content.lstrip(b" "))
        for name, _, content in (line.partition(b":") for line in lines[3:] if line)
    )
    record = Record(
        "created" if number % 2 else "status",
        0,
        7,
        int(timestamp) if timestamp.lstrip(b"-").isdigit() and len(timestamp) < 19 else 0,
        lines[2] or None,
        value if value != b"null" else None,
        headers,
    )
    return number // 2, record


def run(data: bytes) -> None:
    """Decode one record and make rows of it.

    Raises: whatever our own code raises, which is a finding.
    """
    number, record = record_of(data)
    rows = Rows(_NOW)
    decode_into(rows, [record], 0, _DECODERS[number], _ENTRY, _NOW)
    assert rows.acts or rows.dead_letters or rows.changes or rows.outcomes, "a record went missing"
    plain = Rows(_NOW)
    if _NATIVE:
        reader = PlainReader(_NATIVE, _DECODERS[number], _ENTRY, 0, _METRICS)
        if reader.read(plain, [record], 0, _NOW, 1):
            rows.pack()
            assert_same(plain, rows, 0)
    try:
        rows.pack()
        rows.pack_orders(0, [*rows.orders.values()], rows.stubs())
    except UnicodeError:
        pass  # the reader refuses the record for it
