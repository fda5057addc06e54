"""The documents hold what they say: tables, commands, settings, metrics, alerts, links."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from deploy.site.stage import FOLDERS, Site, picture, place_of
from worker import __main__ as command_line
from worker import documentation
from worker.domain.policy import AtLapse, Facts
from worker.policy.file import parse

ROOT = Path(__file__).parents[2]
ROLES = (ROOT / "deploy/postgres/roles.sql").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
RULES = yaml.safe_load((ROOT / "deploy/prometheus/plazo.rules.yaml").read_text(encoding="utf-8"))
COMMANDS = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
EVENTS = (ROOT / "docs/reference/events.md").read_text(encoding="utf-8")
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
DOCUMENTS = sorted(
    path
    for folder in (".", "docs", "deploy", "schemas", "tests", "worker")
    for path in (ROOT / folder).glob("*.md" if folder == "." else "**/*.md")
    if "node_modules" not in path.parts  # of others
)
PAGES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))
# Those whose anchors are held: the rest names only files.
WITH_ANCHORS = [*PAGES, *ROOT.glob("*.md")]


def named(pattern: str) -> list[object]:
    """What the documents name, with the document that does, as parameters."""

    def found() -> Iterator[tuple[str, Path]]:
        for path in DOCUMENTS:
            for one in sorted(set(re.findall(pattern, path.read_text(encoding="utf-8")))):
                yield one, path

    return [pytest.param(one, path, id=f"{path.relative_to(ROOT)}: {one}") for one, path in found()]


def pages_of(nav: Any) -> Iterator[str]:
    """The pages of a navigation, in its order."""
    if isinstance(nav, str):
        yield nav
    for one in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from pages_of(one)


def anchors(path: Path) -> set[str]:
    """The anchors that the headings of a page get, in the repository as on the site."""
    text = re.sub(r"(?ms)^```.*?^```$", "", path.read_text(encoding="utf-8"))
    headings = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", documentation.PAGES, ids=str)
def test_the_reference_pages_are_those_of_the_code(page: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert f"<!-- {page.stem} -->" in text
    assert documentation.fill(text) == text, "run: make generate"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_every_page_is_in_the_navigation_once() -> None:
    nav = list(pages_of(SITE["nav"]))
    assert sorted(nav) == sorted(place_of(page) for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_picture_is_rendered(page: Path) -> None:
    drawn = re.findall(r"```mermaid\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    missing = [picture(text).name for text in drawn if not picture(text).exists()]
    assert not missing, "see CONTRIBUTING.md"


def test_every_rendered_picture_is_one_of_a_page() -> None:
    texts = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    drawn = {picture(text) for text in re.findall(r"```mermaid\n(.*?)```", texts, re.DOTALL)}
    assert set((ROOT / "docs/pictures").glob("mermaid-*.svg")) == drawn


def test_the_site_moves_links_and_names_those_that_lead_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = "deploy.site.stage"
    monkeypatch.setattr(f"{stage}.ROOT", tmp_path)
    monkeypatch.setattr(f"{stage}.STAGE", tmp_path / ".site")
    (tmp_path / "docs").mkdir()
    (tmp_path / "deploy/runbooks").mkdir(parents=True)
    (tmp_path / "deploy/runbooks/README.md").write_text("# Runbooks\n")
    (tmp_path / "code.py").write_text("x = 1\n")
    page = tmp_path / "docs/a.md"
    page.write_text(
        "[r](../deploy/runbooks/README.md#x) [c](../code.py) [b](b.md)\n```\n[q](q.md)\n```\n"
    )
    site = Site()
    assert site.add(page) == "a.md"
    assert (tmp_path / ".site/pages/a.md").read_text() == (
        "[r](runbooks/index.md#x) [c](files/code.py.md) [b](b.md)\n```\n[q](q.md)\n```\n"
    )
    assert "x = 1" in (tmp_path / ".site/pages/files/code.py.md").read_text()
    assert site.faults == ["docs/a.md: b.md is not there"]


@pytest.mark.parametrize(("words", "path"), named(r"(?m)(?:`|^)plazo ((?:[a-z][a-z-]* ?)+)"))
def test_every_command_exists(words: str, path: Path) -> None:
    command = typer.main.get_command(command_line.app)
    for word in words.split():
        children = getattr(command, "commands", None)
        if children is None:
            break  # the rest are arguments
        assert word in children, f"plazo {words}"
        command = children[word]


@pytest.mark.parametrize(
    ("line", "path"), named(r"(?m)(?:`|^|-- |worker )plazo ([a-z][^`\n#]*? --[a-z][^`\n#]*)")
)
def test_every_option_exists(line: str, path: Path) -> None:
    command = typer.main.get_command(command_line.app)
    for word in line.split():
        command = getattr(command, "commands", {}).get(word, command)
    known = {option for one in command.params for option in one.opts}
    assert set(re.findall(r"(?<= )--[a-z-]+", line)) <= known


def test_every_command_is_in_the_table() -> None:
    table = COMMANDS.split("| Command | What it does |")[1].split("\n\n")[0]
    commands = typer.main.get_command(command_line.app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        lines = "\n".join(re.findall(rf"^\| `plazo {name}\b.*", table, re.MULTILINE))
        assert lines, f"plazo {name}"
        for child in getattr(command, "commands", ()):
            assert re.search(rf"[ `]{child}[ `]", lines), f"plazo {name} {child}"


@pytest.mark.parametrize(
    "kind", ["auto-cancel", "escalation", "decision-revoked", "deadline-reminder"]
)
def test_every_reason_is_in_the_table(kind: str) -> None:
    schema = json.loads((ROOT / f"schemas/json/{kind}.json").read_text(encoding="utf-8"))
    reason = schema["properties"]["reason"]
    for one in reason["examples"]:
        assert re.search(rf"(?m)^\| `{one}` \| {kind} \|", EVENTS), one


def test_every_class_of_error_is_in_the_table() -> None:
    shown = re.search(r"(?m)^\| `--error ERROR`: (.*?) \|", COMMANDS)
    assert shown is not None
    for one in re.findall(r"`([a-z-]+)`", shown[1]):
        assert f"\n| `{one}` | " in EVENTS, one


def test_the_example_of_policies_gives_the_deadline_that_the_page_names() -> None:
    text = (ROOT / "docs/how-to/policies.md").read_text(encoding="utf-8")
    policies = parse(text.split("```yaml\n")[1].split("```")[0], timedelta(seconds=30))
    rich = policies.choose(Facts("s-9", "courier", Decimal(700), "PEN"))
    monday = datetime(2026, 12, 7, 16, tzinfo=UTC)  # 11:00 in Lima
    assert rich.due(monday) == monday + timedelta(days=3)
    assert policies.choose(Facts("s-2", "courier", None, None)).at_lapse == AtLapse.ESCALATE


@pytest.mark.parametrize(("target", "path"), named(r"`make ([a-z-]+)|^make ([a-z-]+)"))
def test_every_make_target_exists(target: tuple[str, str], path: Path) -> None:
    assert re.search(rf"^{''.join(target)}:", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize(("link", "path"), named(r"\]\((?!http)([^)#]+)[^)]*\)"))
def test_every_link_leads_somewhere(link: str, path: Path) -> None:
    assert (path.parent / link).exists()


@pytest.mark.parametrize(
    "path", WITH_ANCHORS, ids=[str(path.relative_to(ROOT)) for path in WITH_ANCHORS]
)
def test_every_anchor_is_a_heading(path: Path) -> None:
    for link, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if not link.startswith("http"):
            assert anchor in anchors(path.parent / link if link else path), f"{link}#{anchor}"


@pytest.mark.parametrize(
    ("file", "path"),
    named(r"`((?:worker|schemas|deploy|tests|docs)/[\w./-]+\.(?:py|sql|json|yaml|md|toml))`"),
)
def test_every_file_exists(file: str, path: Path) -> None:
    assert (ROOT / file).exists()


@pytest.mark.parametrize(("name", "path"), named(r"\bPLAZO_[A-Z_]+\b|\bplazo_[a-z_]+\b"))
def test_every_variable_metric_and_role_exists(name: str, path: Path) -> None:
    # With those that are gone: what changed has to name them.
    known = {f"PLAZO_{field.upper()}" for field in documentation.Settings.model_fields}
    known |= {name.lower() for name in known}  # as a file in PLAZO_SECRETS_DIR
    metrics = {row.name for row in documentation.Metrics.documentation()}
    known |= metrics | {f"{one}_{part}" for one in metrics for part in ("bucket", "sum", "count")}
    known |= set(re.findall(r"plazo_[a-z]+", ROLES))
    known |= {"plazo_shadow"}  # a database of the shadow mode
    if path.is_relative_to(ROOT / "tests"):
        known |= set(re.findall(r"PLAZO_TEST_[A-Z_]+", name)) | {"plazo_1", "plazo_2", "plazo_"}
    assert name in known


@pytest.mark.parametrize(("alert", "path"), named(r"\bPlazo[A-Z][A-Za-z]+\b"))
def test_every_alert_exists(alert: str, path: Path) -> None:
    rules = [rule for group in RULES["groups"] for rule in group["rules"]]
    assert alert in {rule.get("alert") for rule in rules}
