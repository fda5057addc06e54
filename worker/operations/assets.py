"""The files for operators that come with the program: runbooks, alerts, roles, dashboard, schemas,
and the mappings of other systems' formats.

A wheel carries them in ``worker/assets``; in a checkout they are read where they are maintained, in
``deploy``.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from worker.ingest.formats.mapping.source import shipped_files

_FILES = (
    "prometheus/plazo.rules.yaml",
    "postgres/roles.sql",
    "postgres/grants.sql",
    "grafana/plazo.json",
)
_INDEX = "README"


def runbooks() -> list[str]:
    """The names of the runbooks, which are those of the alerts."""
    return sorted(name for name in _pages() if name != _INDEX)


def runbook(name: str) -> str | None:
    """The page of an alert; ``None`` if there is none."""
    page = _pages().get(name) if name != _INDEX else None
    return page.read_text("utf-8") if page is not None else None


def nearest_runbook(name: str) -> str:
    """The name of a runbook that looks most like this one."""
    names = {one.casefold(): one for one in runbooks()}
    return names[get_close_matches(name.casefold(), names, 1, cutoff=0.0)[0]]


def grants() -> str:
    """The privileges of the roles, as SQL for their owner."""
    return _root().joinpath("postgres/grants.sql").read_text("utf-8")


def write(directory: Path) -> list[Path]:
    """Write all files below a directory, over those of the same names; return their paths.

    Raises:
        OSError
    """
    written = []
    for name, file in _all():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.read_bytes())
        written.append(path)
    return written


def _all() -> Iterator[tuple[str, Traversable]]:
    for page in _pages().values():
        yield f"runbooks/{page.name}", page
    for name in _FILES:
        yield name, _root().joinpath(name)
    schemas = files("schemas")
    yield "schemas/asyncapi.json", schemas / "asyncapi.json"
    yield "schemas/connect.json", schemas / "connect" / "decision.json"
    for schema in sorted(schemas.joinpath("json").iterdir(), key=lambda one: one.name):
        yield f"schemas/{schema.name}", schema
    for name in ("decision.avsc", "decision.json"):
        yield f"schemas/{name}", schemas / "registry" / name
    for mapping in shipped_files().values():
        yield f"mappings/{mapping.name}", mapping


def _pages() -> dict[str, Traversable]:
    pages = _root().joinpath("runbooks").iterdir()
    found = {page.name.removesuffix(".md"): page for page in pages if page.name.endswith(".md")}
    return dict(sorted(found.items()))


def _root() -> Traversable:
    packed = files("worker") / "assets"
    return packed if packed.is_dir() else Path(__file__).parents[2] / "deploy"
