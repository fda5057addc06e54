"""The documents hold what they say: tables, commands, settings, metrics, alerts, links."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
import yaml

from worker import documentation
from worker.__main__ import app

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
ROLES = (ROOT / "deploy/postgres/roles.sql").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
RULES = yaml.safe_load((ROOT / "deploy/prometheus/plazo.rules.yaml").read_text(encoding="utf-8"))
DOCUMENTS = sorted(
    path
    for folder in (".", "deploy", "schemas", "tests", "worker")
    for path in (ROOT / folder).glob("*.md" if folder == "." else "**/*.md")
)


def named(pattern: str) -> list[object]:
    """What the documents name, with the document that does, as parameters."""

    def found() -> Iterator[tuple[str, Path]]:
        for path in DOCUMENTS:
            for one in sorted(set(re.findall(pattern, path.read_text(encoding="utf-8")))):
                yield one, path

    return [pytest.param(one, path, id=f"{path.relative_to(ROOT)}: {one}") for one, path in found()]


def test_the_tables_are_those_of_the_code() -> None:
    assert documentation.fill(TEXT) == TEXT, "run: python -m worker.documentation README.md"


@pytest.mark.parametrize(("words", "path"), named(r"(?m)(?:`|^)plazo ((?:[a-z][a-z-]* ?)+)"))
def test_every_command_exists(words: str, path: Path) -> None:
    command = typer.main.get_command(app)
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
    command = typer.main.get_command(app)
    for word in line.split():
        command = getattr(command, "commands", {}).get(word, command)
    known = {option for one in command.params for option in one.opts}
    assert set(re.findall(r"(?<= )--[a-z-]+", line)) <= known


def test_every_command_is_in_the_table() -> None:
    table = TEXT.split("| Command | What it does |")[1].split("\n\n")[0]
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        told = "\n".join(re.findall(rf"^\| `plazo {name}\b.*", table, re.MULTILINE))
        assert told, f"plazo {name}"
        for child in getattr(command, "commands", ()):
            assert re.search(rf"[ `]{child}[ `]", told), f"plazo {name} {child}"


@pytest.mark.parametrize(("target", "path"), named(r"`make ([a-z-]+)"))
def test_every_make_target_exists(target: str, path: Path) -> None:
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize(("link", "path"), named(r"\]\((?!http)([^)#]+)\)"))
def test_every_link_leads_somewhere(link: str, path: Path) -> None:
    assert (path.parent / link).exists()


@pytest.mark.parametrize(
    ("file", "path"),
    named(r"`((?:worker|schemas|deploy|tests)/[\w./-]+\.(?:py|sql|json|yaml|md|toml))`"),
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
    if path.is_relative_to(ROOT / "tests"):
        known |= set(re.findall(r"PLAZO_TEST_[A-Z_]+", name)) | {"plazo_1", "plazo_2", "plazo_"}
    assert name in known


@pytest.mark.parametrize(("alert", "path"), named(r"\bPlazo[A-Z][A-Za-z]+\b"))
def test_every_alert_exists(alert: str, path: Path) -> None:
    rules = [rule for group in RULES["groups"] for rule in group["rules"]]
    assert alert in {rule.get("alert") for rule in rules}
