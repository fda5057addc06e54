"""README.md holds what it says: tables, commands, paths and links exist as written."""

import re
from pathlib import Path

import pytest
import typer.main

from worker import documentation
from worker.__main__ import app

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
ROLES = (ROOT / "deploy/postgres/roles.sql").read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_code() -> None:
    assert documentation.fill(TEXT) == TEXT, "run: python -m worker.documentation README.md"


@pytest.mark.parametrize("words", sorted(set(re.findall(r"`?plazo ((?:[a-z-]+ ?)+)", TEXT))))
def test_every_command_exists(words: str) -> None:
    command = typer.main.get_command(app)
    for word in words.split():
        children = getattr(command, "commands", None)
        if children is None:
            break  # the rest are arguments
        assert word in children, f"plazo {words}"
        command = children[word]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z]+)", TEXT))))
def test_every_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", TEXT))))
def test_every_link_leads_somewhere(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"PLAZO_[A-Z_]+|plazo_[a-z_]+", TEXT))))
def test_every_variable_metric_and_role_exists(name: str) -> None:
    known = {row[0] for row in documentation.Settings.documentation()}
    known |= {name.lower() for name in known}  # as a file in PLAZO_SECRETS_DIR
    known |= {row.name for row in documentation.Metrics.documentation()}
    known |= set(re.findall(r"plazo_[a-z]+", ROLES))
    assert name in known
