"""A refusal says what is wrong, in few words and without personal data."""

import gzip
import json

import pytest

from schemas import events
from schemas.events import RefusalClass
from tests.unit.decoder.records import AVRO, CREATED, ID, SECRET, changed, record, refused, roomy


def test_topic_that_is_no_input() -> None:
    assert refused(record(changed(), topic="else")).error == RefusalClass.UNKNOWN_TYPE


def test_a_refusal_names_the_encoding_that_it_knows() -> None:
    asked = "Confluent wire format, schema id 7: set PLAZO_SCHEMA_REGISTRY_URL"
    assert refused(record(AVRO)).message == asked
    assert refused(record(AVRO)).error == RefusalClass.SCHEMA
    in_header = (("__value_schema_id", AVRO[:5]),)
    assert refused(record(AVRO[5:], headers=in_header)).message == asked
    for start, name in (
        (gzip.compress(changed()), "gzip"), (b"\x28\xb5\x2f\xfd\0", "zstd"),
        (b"Obj\1", "a file of Avro"), (b"\xc3\1abc", "a single object of Avro"),
        (b"\3\0" + bytes(16), "a record of the Glue"),
    ):  # fmt: skip
        assert f"it begins like {name}" in refused(record(start)).message


@pytest.mark.parametrize(
    "body",
    [
        changed(occurred_at=SECRET, validation=SECRET, dispute=[SECRET]),
        changed(order_id=[SECRET], dispute={SECRET: SECRET, "text": 1, "responsible": [SECRET]}),
        changed(dispute={"responsible": SECRET + "\0"}),
        changed(dispute={"responsible": SECRET})[:-1],
        f'{{"{SECRET}": NaN}}'.encode(),
        f'{{"x": "{SECRET}\\ud800"}}'.encode(),
        f'"{SECRET}"'.encode(),
    ],
    ids=range(7),
)
@pytest.mark.parametrize("mode", ["application/json", "application/cloudevents+json", SECRET])
def test_no_personal_data_in_a_message(body: bytes, mode: str) -> None:
    headers = (("content-type", mode.encode()),)
    envelope = b'{"specversion":"1.0","type":"%s","data":%s}' % (
        events.ORDER_STATUS_CHANGED.encode(),
        body,
    )
    for value in (body, envelope):
        assert SECRET not in refused(record(value, headers=headers)).message


def test_many_faults_make_one_short_message() -> None:
    body = json.dumps({"order_id": ID, "lines": [{}] * 500}).encode()
    assert refused(record(body, topic=CREATED), roomy).error == RefusalClass.INVALID
