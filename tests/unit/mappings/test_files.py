"""The file of a mapping, its faults, and the samples that try it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.mappings.shop import (
    ORDER,
    SHOP,
    changed,
    written,
)
from worker.errors import FormatInvalid
from worker.ingest.formats import mapping_adapter
from worker.ingest.formats.mapping.file import parse


def faults(text: str) -> list[str]:
    with pytest.raises(FormatInvalid) as error:
        parse(text, "shop.yaml")
    return list(error.value.faults)


def test_all_faults_are_told_at_once_with_their_lines() -> None:
    text = """\
name: shop
order_id: id[
zone: Lima
order:
  seller_id: vendor
  entered_at: {find: at, epoch: hours}
  colour: red
acts:
  - status: start-handlin
    occurred_at: at
samples: []
"""
    told = faults(text)
    assert [one.split(": ")[0] for one in told] == [
        f"shop.yaml:{line}" for line in (2, 3, 6, 7, 9, 11)
    ]
    assert "Lima: no time zone such as America/Lima" in told[1]
    assert "did you mean start-handling?" in told[4]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"states": {"A": "start-handling", "a": None}}, "given twice, in two spellings"),
        ({"states": {}}, "needs states"),
        ({"order": None, "acts": [], "states": {}}, "needs order, acts or both"),
        ({"acts": [{"occurred_at": "x"}]}, "needs either status"),
        ({"order_id": 5}, "not a JMESPath expression"),
        ({"samples": [{"record": {}}]}, "needs either becomes"),
    ],
)
def test_faults_of_a_file(fields: dict[str, Any], message: str) -> None:
    (fault,) = faults(yaml.safe_dump(changed(**fields)))
    assert message in fault


def test_faults_of_the_text() -> None:
    assert "is empty" in faults("")[0]
    assert faults("name: a\nname: b\n") == ["shop.yaml:2: name: given twice"]
    assert faults("a: [")[0].startswith("shop.yaml:1")


def test_plain_words_are_read_as_in_json() -> None:
    text = """\
name: shop
order_id: id
acts: [{state: s, occurred_at: at}]
states: {no: canceled, 017: null, 1: start-handling}
samples: [{record: {at: 2026-11-22 10:00:00, on: yes, n: 017}, becomes: []}]
"""
    mapping, _ = parse(text, "shop.yaml")
    assert mapping.samples[0].record == {"at": "2026-11-22 10:00:00", "on": "yes", "n": "017"}
    assert [mapping.status(word) for word in ("No", "017", "1")] == [
        "canceled", None, "start-handling",
    ]  # fmt: skip


TRIED = ORDER | {"state": "void", "parcels": [{"ok": True, "at": 1_763_805_845_000}]}


WHOLE = SHOP | {
    "samples": [
        *SHOP["samples"],
        {
            "record": TRIED,
            "becomes": [
                {"order_id": "7", "seller_id": "12", "fulfilment": "dropshipping",
                 "entered_at": "2026-11-22T10:00:00Z", "lines": [{"sku": "a"}]},
                {"order_id": "7", "status": "canceled", "occurred_at": "2026-11-23T11:00:00Z"},
                {"order_id": "7", "status": "shipped", "occurred_at": "2025-11-22T10:04:05Z"},
            ],
        },
    ],
}  # fmt: skip


def test_a_file_that_reads_its_samples(tmp_path: Path) -> None:
    assert mapping_adapter(written(tmp_path, WHOLE)).brings_orders


def test_each_rule_must_be_tried_by_a_sample(tmp_path: Path) -> None:
    # As with a misspelt name: every record would be passed over.
    nobody = {"record": TRIED, "becomes": []}
    mapping = changed(only="kidn == 'order'", samples=[nobody])
    with pytest.raises(FormatInvalid) as error:
        mapping_adapter(written(tmp_path, mapping))
    assert [one.split(": ", 1)[1] for one in error.value.faults] == [
        "order: no sample becomes an order",
        "acts.0: no sample becomes an act by this rule",
        "acts.1: no sample becomes an act by this rule",
    ]


@pytest.mark.parametrize(
    ("sample", "fault"),
    [
        ({"record": ORDER, "becomes": []}, 'becomes {"order_id": "7"'),
        ({"record": {}, "becomes": []}, "is refused: order_id: missing"),
        ({"record": {"test": True}, "refused": "x"}, "becomes nothing: it is passed over"),
        ({"record": {}, "refused": "x"}, "is refused: order_id: missing"),
        ({"record": {}, "becomes": [{"order_id": "1"}]}, "the sample itself: "),
    ],
)
def test_a_file_whose_samples_fail_is_a_fault(
    tmp_path: Path, sample: dict[str, Any], fault: str
) -> None:
    samples = [*WHOLE["samples"], sample]
    with pytest.raises(FormatInvalid) as error:
        mapping_adapter(written(tmp_path, changed(samples=samples)))
    (told,) = error.value.faults
    lines = (tmp_path / "shop.yaml").read_text().splitlines()
    line = max(number for number, one in enumerate(lines, 1) if one.startswith("- record:"))
    assert told.startswith(f"{tmp_path}/shop.yaml:{line}: samples.2: ")
    assert fault in told


def test_a_file_must_fit_its_topic(tmp_path: Path) -> None:
    tried = [{"record": TRIED, "becomes": WHOLE["samples"][1]["becomes"][1:]}]
    acts = written(tmp_path, {k: v for k, v in SHOP.items() if k != "order"} | {"samples": tried})
    with pytest.raises(FormatInvalid, match="has no `order`"):
        mapping_adapter(acts, orders=True)
    tried = [{"record": TRIED, "becomes": WHOLE["samples"][1]["becomes"][:1]}]
    orders = written(tmp_path, changed(acts=[], samples=tried))
    with pytest.raises(FormatInvalid, match="has no `acts`"):
        mapping_adapter(orders, orders=False)
