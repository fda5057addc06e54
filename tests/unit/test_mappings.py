"""Formats that a file describes."""

import contextlib
import itertools
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from schemas.events import RefusalClass
from schemas.models import OrderCreated, OrderStatusChanged
from schemas.statuses import Meaning, normalise
from worker import __main__ as command_line
from worker.errors import FormatInvalid
from worker.ingest.decoder import Decoder
from worker.ingest.formats import mapping_adapter
from worker.ingest.formats.mapping.adapter import MappingAdapter
from worker.ingest.formats.mapping.expression import (
    DEEPEST,
    FEWEST_STEPS,
    FUNCTIONS,
    LONGEST,
    MOST_STEPS,
    Expression,
    NotApplicable,
    Scope,
    TooCostly,
)
from worker.ingest.formats.mapping.file import ActPart, MappingFile, OrderPart, parse
from worker.ingest.formats.mapping.reading import MOST_ACTS
from worker.ingest.formats.mapping.source import shipped, shipped_files
from worker.ingest.formats.mapping.values import amount, moments
from worker.ingest.salvage import salvage
from worker.policy import file as policy_file
from worker.records import Record, Refusal
from worker.settings import Settings

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SHOP: dict[str, Any] = {
    "name": "shop",
    "only": "test != `true`",
    "order_id": "id",
    "order": {
        "seller_id": "vendor.id",
        "entered_at": "created",
        "total": {"find": "cents", "digits": 2},
        "currency": "currency",
        "labels": {"gift": "gift", "channel": "source"},
        "lines": "items[].{sku: sku}",
    },
    "states": {"Accepted": "start-handling", "void": "canceled", "New": None},
    "acts": [
        {"state": "state", "occurred_at": {"find": "changed", "since": "created"}},
        {
            "each": "parcels",
            "only": "ok",
            "status": "shipped",
            "occurred_at": {"find": "at", "epoch": "milliseconds"},
            "validation": {"in_stock": "checked"},
            "dispute": {"text": "note"},
        },
    ],
    "samples": [{"record": {"id": 1, "test": True}, "becomes": []}],
}
ORDER = {
    "id": 7, "vendor": {"id": 12}, "state": "New", "items": [{"sku": "a"}],
    "created": "2026-11-22T10:00:00Z", "changed": "2026-11-23T11:00:00Z",
}  # fmt: skip


def adapter(mapping: dict[str, Any] | None = None, *, acts_only: bool = False) -> MappingAdapter:
    file, _ = parse(yaml.safe_dump(mapping or SHOP), "shop.yaml")
    return MappingAdapter(file, acts_only=acts_only)


def written(path: Path, mapping: dict[str, Any]) -> str:
    file = path / "shop.yaml"
    file.write_text(yaml.safe_dump(mapping, sort_keys=False))
    return f"file:{file}"


def decoder(mapping: dict[str, Any] | None = None, **more: Any) -> Decoder:
    topics = {"orders": adapter(mapping), "acts": adapter(mapping)}
    return Decoder("orders", "acts", 1_000_000, timedelta(minutes=5), timedelta(hours=24), topics,
                   **more)  # fmt: skip


def record(body: Any, key: str | None = "7", headers: Any = (), topic: str = "orders") -> Record:
    value = body if isinstance(body, bytes) else json.dumps(body).encode()
    stamp = round(NOW.timestamp() * 1000)
    return Record(topic, 0, 0, stamp, key.encode() if key else None, value, headers)


def read(body: Any, mapping: dict[str, Any] | None = None, **more: Any) -> Any:
    return decoder(mapping).decode(record(body, **more), NOW)


def changed(**fields: Any) -> dict[str, Any]:
    return {**SHOP, **fields}


def test_an_order_keeps_its_facts_and_those_that_are_missing_stay_missing() -> None:
    (order,) = read(ORDER | {"cents": 1990, "currency": "PEN", "gift": True})
    assert order == OrderCreated(
        order_id="7", seller_id="12", fulfilment="dropshipping",
        entered_at=datetime(2026, 11, 22, 10, tzinfo=UTC), total="19.90", currency="PEN",
        lines=[{"sku": "a"}], labels={"gift": "true"},
    )  # fmt: skip
    (bare,) = read({k: v for k, v in ORDER.items() if k != "items"})
    assert (bare.total, bare.currency, bare.labels, bare.lines, bare.due) == (None,) * 5


def test_one_record_may_tell_several_acts() -> None:
    at = datetime(2026, 11, 22, 11, tzinfo=UTC)
    parcel = {"ok": True, "at": round(at.timestamp() * 1000), "checked": False, "note": "gone"}
    body = ORDER | {"state": "void", "parcels": [parcel, {"ok": False}, parcel]}
    order, canceled, first, second = read(body)
    assert type(order) is OrderCreated
    assert (canceled.status, canceled.occurred_at.day) == ("canceled", 23)
    assert (first.status, first.occurred_at, first.stock_ok) == ("shipped", at, False)
    assert first.dispute.text == "gone"
    assert first == second


def test_handling_counts_at_its_earliest_time_and_a_cancellation_at_its_latest() -> None:
    days = {}
    for state in ("accepted", "void"):
        _, act = read(ORDER | {"state": state})
        days[act.status] = act.occurred_at.day
    assert days == {"start-handling": 22, "canceled": 23}


def test_a_word_outside_the_table_is_unknown_though_plazo_knows_it() -> None:
    _, act = read(ORDER | {"state": "order-accepted"})
    assert act.status == "shop:order-accepted"


def test_the_policy_file_may_give_such_a_word_a_meaning() -> None:
    text = "version: 1\nstatuses: {'shop:packed': handling}\npolicies: [{name: a, window: 24h}]"
    vocabulary = policy_file.parse(text, timedelta(0)).vocabulary
    _, act = read(ORDER | {"state": "Packed"})
    assert vocabulary.meaning(normalise(act.status)) is Meaning.HANDLING


def test_a_topic_of_acts_gets_no_order() -> None:
    (act,) = adapter(acts_only=True)(json.dumps(ORDER | {"state": "ACCEPTED"}).encode(), NOW)
    assert type(act) is OrderStatusChanged


def test_records_that_are_not_ours_are_passed_over() -> None:
    assert read({"test": True}) == ()
    assert read(ORDER, changed(only="kind == 'order'")) == ()


WRAPPED = {
    "debezium": ({"before": None, "after": ORDER, "op": "c"}, ()),
    "connect": ({"schema": {}, "payload": ORDER}, ()),
    "text": (json.dumps(ORDER), ()),
    "cloud event": ({"specversion": "1.0", "id": "x", "type": "t", "data": ORDER}, ()),
}


@pytest.mark.parametrize("wrapping", WRAPPED)
@pytest.mark.parametrize("only", ["state == 'New'", "test != `true`"])
def test_a_wrapping_is_taken_off_and_never_passed_over(wrapping: str, only: str) -> None:
    body, headers = WRAPPED[wrapping]
    (order,) = read(body, changed(only=only), headers=headers)
    assert order.order_id == "7"


def test_a_missing_id_is_a_dead_letter_by_name() -> None:
    found = read({k: v for k, v in ORDER.items() if k != "id"})
    assert found == Refusal(RefusalClass.INVALID, "order_id: missing", ("7",))


@pytest.mark.parametrize("given", [7.5, True, ["7"], {}])
def test_an_id_that_is_none_is_refused_though_the_record_tells_nothing_else(given: Any) -> None:
    found = read({"id": given, "state": "New"}, changed(order=None))
    assert found == Refusal(RefusalClass.INVALID, "order_id: not a text", ("7",))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"created": None}, "entered_at: missing"),
        ({"created": "22.11.2026"}, "entered_at: not a time of RFC 3339 with an offset"),
        ({"created": 1_790_000_000}, "entered_at: not a time of RFC 3339 with an offset"),
        ({"vendor": {}}, "seller_id: missing"),
        ({"cents": 19.9}, "total: not a text"),
        ({"gift": ["x"]}, "labels: not an object of at most 50 short texts"),
        ({"state": "void", "changed": None}, "acts.0.occurred_at: missing"),
        ({"state": None}, "acts.0.status: missing"),
        ({"parcels": {}}, "acts.1.each: finds no list"),
        ({"parcels": [{"ok": True}] * 201}, "acts.1.each: more than 200"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name_and_shields_its_order(
    fields: dict[str, Any], message: str
) -> None:
    # Only the mapping knows where the id stands: the key is another.
    reader = decoder(ignore_keys=True)
    found = reader.decode(record(ORDER | fields, key="other"), NOW)
    assert isinstance(found, Refusal)
    assert found.message == message
    assert found.order_ids == ("7", "other")


def test_the_deadline_of_a_refused_order_is_salvaged_by_its_mapping() -> None:
    reader = decoder()
    one = record(ORDER | {"cents": "?"})
    refusal = reader.decode(one, NOW)
    assert isinstance(refusal, Refusal)
    order = salvage(one, refusal, NOW, reader.facts(one))
    assert order is not None
    assert (order.order_id, order.seller_id, order.entered_at) == (
        "7", "12", datetime(2026, 11, 22, 10, tzinfo=UTC),
    )  # fmt: skip


def test_our_own_events_stand_beside_a_mapping() -> None:
    own = {"order_id": "7", "status": "canceled", "occurred_at": "2026-11-22T10:00:00Z"}
    headers = (("ce_type", b"marketplace.order.status-changed.v1"), ("ce_specversion", b"1.0"))
    found = read(own, headers=headers, topic="acts")
    assert (type(found), found.status) == (OrderStatusChanged, "canceled")


# Values.

LIMA = timezone(timedelta(hours=-5))


@pytest.mark.parametrize(
    "text",
    ["2026-11-22T15:04:05Z", "2026-11-22 10:04:05-05:00", "2026-11-22t10:04:05-0500",
     "2026-11-22T10:04:05 -05", "2026-11-22 10:04:05", "2026-11-22T10:04:05.000000000"],
)  # fmt: skip
def test_times_in_the_forms_that_publishers_use(text: str) -> None:
    assert moments(text, LIMA, None) == (datetime(2026, 11, 22, 15, 4, 5, tzinfo=UTC),)


@pytest.mark.parametrize(
    "value", ["2026-11-22", "10:04", "20261122T100405Z", "2026-13-22T10:04:05Z", "now", True, [], 5,
              "9999-12-31T23:59:59-14:00"],
)  # fmt: skip
def test_what_is_no_time(value: Any) -> None:
    assert moments(value, LIMA, None) == ()


def test_a_time_without_an_offset_needs_a_zone() -> None:
    assert moments("2026-11-22T10:04:05", None, None) == ()


def test_an_hour_that_comes_twice_is_both() -> None:
    lisbon = changed(zone="Europe/Lisbon")
    twice = {
        "created": "2026-10-25T01:30:00",
        "changed": "2026-10-25T01:30:00",
        "state": "accepted",
    }
    order, act = read(ORDER | twice, lisbon)
    assert (order.entered_at.hour, act.occurred_at.hour) == (1, 0)


@pytest.mark.parametrize("value", [1_763_805_845, "1763805845", 1_763_805_845.0, "1763805845.000"])
def test_seconds_since_1970(value: Any) -> None:
    wanted = (datetime(2025, 11, 22, 10, 4, 5, tzinfo=UTC),)
    assert moments(value, None, timedelta(seconds=1)) == wanted


@pytest.mark.parametrize("value", [10**17, float("1e300"), float("nan"), "x", True, None, 10**400])
def test_what_is_no_number_since_1970(value: Any) -> None:
    assert moments(value, None, timedelta(seconds=1)) == ()


@pytest.mark.parametrize(
    ("found", "digits", "wanted"),
    [(1990, (2,), "19.90"), ("1990", (2,), "19.90"), (5, (0,), "5"), (1, (3,), "0.001"),
     (19.9, (), "19.9"), ("19.90", (), "19.90"), (20, (), "20"), (1e-7, (), "0.0000001")],
)  # fmt: skip
def test_amounts(found: Any, digits: tuple[Any, ...], wanted: str) -> None:
    assert amount(found, *digits) == wanted


@pytest.mark.parametrize(
    ("found", "digits"), [("19.90", (2,)), (19.9, (2,)), (1990, (None,)), (True, (2,)), (1e20, ())]
)
def test_what_is_no_amount(found: Any, digits: tuple[Any, ...]) -> None:
    assert not isinstance(amount(found, *digits), str)


# Expressions.


def found_by(source: str, root: Any) -> Any:
    return Expression(source).find(Scope(root, "2026-11-24T00:00:00+00:00"), root)


def test_functions_of_ours() -> None:
    assert found_by("split(id, '/')[-1]", {"id": "gid://shop/Order/7"}) == "7"
    assert found_by("lower(id)", {"id": "A"}) == "a"
    assert found_by("a[].root().b", {"a": [1], "b": 2}) == [2]
    assert found_by("recorded_at()", {}) == "2026-11-24T00:00:00+00:00"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a[", "no JMESPath"),
        ("lenght(a)", r"no function lenght\(\); did you mean length\(\)"),
        ("length(a, b)", r"length\(\) takes 1 arguments, not 2"),
        ("a" * (LONGEST + 1), f"more than {LONGEST} characters"),
        ("(" * 900 + "a" + ")" * 900, f"nests deeper than {DEEPEST}"),
        ("!" * (DEEPEST + 1) + "a", f"nests deeper than {DEEPEST}"),
    ],
)
def test_expressions_that_are_faults(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Expression(source)


def test_a_function_that_does_not_fit_quotes_nothing() -> None:
    with pytest.raises(NotApplicable) as error:
        found_by("starts_with(a, 'x')", {"a": ["secret"]})
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "source",
    ["a[].root().a[]", "a[?contains(root().a, @)]", "a[].to_string(root())", "a[?root() == root()]",
     "a[].length(root().a)", "a[].root().a[::2]", "a[].[root().a, root().a][]",
     "a[].sort(root().a)", "map(&join('', root().a), a)", "a[].contains(root().long, @)"],
)  # fmt: skip
def test_a_record_cannot_make_lists_in_lists_costly(source: str) -> None:
    hostile = {"a": [str(n) for n in range(20_000)], "long": "x" * 500_000}
    with pytest.raises(TooCostly):
        found_by(source, hostile)


def test_a_costly_record_is_refused_by_name_and_shields_its_order() -> None:
    found = read(ORDER | {"items": [{}] * (MOST_STEPS // 2)})
    message = "order.lines: the record takes too many steps"
    assert found == Refusal(RefusalClass.INVALID, message, ("7",))


@pytest.mark.parametrize("lines", ["&id", "[&id]", "starts_with(id, 'x')"])
def test_what_no_event_can_hold_is_refused_by_name(lines: str) -> None:
    found = read(ORDER, changed(order=SHOP["order"] | {"lines": lines}))
    assert isinstance(found, Refusal)
    assert found.message.endswith(": a function does not fit what it finds")


def test_a_small_record_may_take_few_steps() -> None:
    small = {"a": list(range(100))}
    expression = Expression("a[].root().a[]")
    with pytest.raises(TooCostly):
        expression.find(Scope(small, "", len(json.dumps(small))), small)
    assert len(expression.find(Scope(small, ""), small)) == 10_000


def test_a_record_that_finds_itself_many_times_is_refused() -> None:
    order = SHOP["order"] | {"lines": "items[].root()"}
    found = read(ORDER | {"items": [{}] * 10_000}, changed(order=order))
    assert found.message == "order: the record takes too many steps"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from([*ORDER, "parcels", "ok", "at", "cents", "gift", "after", "op", "payload"]),
        inner, max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


@pytest.fixture(scope="module")
def reader() -> Decoder:
    return decoder()


@hypothesis.example(body={"op": "d", "after": None})
@given(body=st.builds(lambda more: ORDER | more if isinstance(more, dict) else more, JSON))
def test_no_record_makes_a_mapping_raise(reader: Decoder, body: Any) -> None:
    found = reader.decode(record(body), NOW)
    assert isinstance(found, Refusal | tuple)
    assert isinstance(reader.facts(record(body)), dict)


# The file.


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


# The settings.


def test_settings_take_formats_by_kind() -> None:
    for name in ("mapping:shopify", "file:shop.yaml", "vtex-order", "plazo"):
        assert Settings(order_created_format=name).order_created_format == name
    for name in ("vtex-feed", "mapping:", "file:", "shopify"):
        with pytest.raises(ValueError, match="must be one of plazo, vtex-order, mirakl-order"):
            Settings(order_created_format=name)


def test_faults_of_formats_are_faults_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("name: x\nstates: {a: b}\n")
    monkeypatch.setenv("PLAZO_ORDER_CREATED_FORMAT", f"file:{file}")
    monkeypatch.setenv("PLAZO_ORDER_STATUS_CHANGED_FORMAT", "file:/nowhere.yaml")
    monkeypatch.setenv("PLAZO_GRACE", "soon")
    monkeypatch.setenv("PLAZO_GROOP", "x")
    assert "PLAZO_GRACE" in CliRunner().invoke(command_line.app, ["settings"]).stderr
    monkeypatch.delenv("PLAZO_GRACE")
    outcome = CliRunner().invoke(command_line.app, ["settings"])
    assert outcome.exit_code == 2
    told = outcome.stderr.splitlines()
    assert told[0].startswith("PLAZO_GROOP")
    assert told[-1] == (
        "PLAZO_ORDER_STATUS_CHANGED_FORMAT: /nowhere.yaml: No such file or directory"
    )
    assert all(f"PLAZO_ORDER_CREATED_FORMAT: {file}:" in one for one in told[1:-1])


# The mappings that come with Plazo.


@pytest.mark.parametrize("name", shipped_files())
def test_a_shipped_mapping_reads_its_samples_on_both_topics(name: str) -> None:
    mapping = shipped(name)
    assert mapping.name == name
    for orders in (True, False):
        mapping_adapter(f"mapping:{name}", orders=orders)
    outcomes = [sample.becomes for sample in mapping.samples]
    assert [] in outcomes, "a record that is passed over"
    assert None in outcomes, "a record that is refused"


def test_the_name_of_a_mapping_that_does_not_come_with_plazo() -> None:
    with pytest.raises(FormatInvalid, match="shop: does not come with Plazo; known are comm"):
        mapping_adapter("mapping:shop")


# The page.

PAGE = (Path(__file__).parents[2] / "docs/how-to/mappings.md").read_text(encoding="utf-8")


def test_the_example_of_the_page_reads_its_samples(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "page.yaml"
    file.write_text(example)
    mapping_adapter(f"file:{file}")


def test_the_page_names_each_mapping_key_and_limit() -> None:
    for name in shipped_files():
        assert f"`mapping:{name}`" in PAGE
    for part in (MappingFile, OrderPart, ActPart):
        for key in part.model_fields:
            assert re.search(rf"(?m)(`{key}`|^ *(- )?{key}:)", PAGE), key
    for limit in (LONGEST, DEEPEST, FEWEST_STEPS, MOST_STEPS, MOST_ACTS):
        assert f" {limit:,} " in PAGE.replace("\n", " ")


def test_no_argument_makes_a_function_raise() -> None:
    odd = ("`null`", "`1`", "`1e308`", "`-1e400`", "''", "'x'", "`[]`", '`[1, "a", null, [2]]`',
           "`{}`", '`{"a": [1]}`', "`true`", "&@", "&a.b", "root()", "@")  # fmt: skip
    for name, spec in FUNCTIONS.items():
        for arguments in itertools.product(odd, repeat=max(len(spec["signature"]), 1)):
            given = arguments if spec["signature"] else ()
            with contextlib.suppress(NotApplicable):
                found_by(f"{name}({', '.join(given)})", {"a": [{"b": "x"}, {"b": 2}, None]})
