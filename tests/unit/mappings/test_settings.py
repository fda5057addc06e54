"""Mappings in the settings, those that come with Plazo, and their page."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from worker import __main__ as command_line
from worker.errors import FormatInvalid
from worker.ingest.formats import mapping_adapter
from worker.ingest.formats.mapping.expression import (
    DEEPEST,
    FEWEST_STEPS,
    LONGEST,
    MOST_STEPS,
)
from worker.ingest.formats.mapping.file import ActPart, MappingFile, OrderPart
from worker.ingest.formats.mapping.reading import MOST_ACTS
from worker.ingest.formats.mapping.source import shipped, shipped_files
from worker.settings import Settings


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


PAGE = (Path(__file__).parents[3] / "docs/how-to/mappings.md").read_text(encoding="utf-8")


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
