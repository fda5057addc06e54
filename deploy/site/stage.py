"""Gathers the pages of the site in `.site`, beside the generator's configuration.

Pages link to each other and to files of the checkout by relative paths, so that they read the same
in the repository. The site is whole without the repository: runbooks and guides get a place in it,
each other file that a page links to becomes a page under `files/`, and each Mermaid picture is the
SVG that was rendered from it, since the site loads nothing from elsewhere.

    python -m deploy.site.stage

fails on a link that leads nowhere, and on a picture that nobody rendered.
"""

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STAGE = ROOT / ".site"
PICTURES = ROOT / "docs/pictures"
# Folders of pages, and where they stand in the site.
FOLDERS = {"docs": "", "deploy/runbooks": "runbooks", "schemas/guides": "guides"}

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_MERMAID = re.compile(r"```mermaid\n(?P<text>.*?)```", re.DOTALL)
_LINK = re.compile(r"(?P<open>\]\()(?P<path>(?!https?:|mailto:|#)[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
_LANGUAGES = {
    ".py": "python", ".sql": "sql", ".yaml": "yaml", ".json": "json",
    ".java": "java", ".js": "javascript", ".go": "go",
}  # fmt: skip


def picture(text: str) -> Path:
    """Where the SVG of a Mermaid picture stands: named by the text that it was rendered from."""
    return PICTURES / f"mermaid-{hashlib.sha256(text.encode()).hexdigest()[:12]}.svg"


class Site:
    """The pages that were staged, and the faults that were found in them."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._staged: set[Path] = set()

    def add(self, source: Path) -> str:
        """Stage a file of the checkout once, and give its place in the site."""
        place = place_of(source)
        if source not in self._staged:
            self._staged.add(source)
            target = STAGE / "pages" / place
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.suffix == ".md":
                target.write_text(self._page(source, place), encoding="utf-8")
            elif place.endswith(".md"):
                target.write_text(_listing(source), encoding="utf-8")
            else:
                shutil.copyfile(source, target)
        return place

    def _page(self, source: Path, place: str) -> str:
        text, parts, end = source.read_text(encoding="utf-8"), [], 0
        for fence in _FENCE.finditer(text):
            parts += [self._linked(text[end : fence.start()], source, place)]
            drawn = _MERMAID.fullmatch(fence[0])
            title = re.findall(r"(?m)^#+ (.+)$", text[: fence.start()])[-1:]
            parts += [self._drawn(drawn["text"], title, source, place) if drawn else fence[0]]
            end = fence.end()
        return "".join([*parts, self._linked(text[end:], source, place)])

    def _linked(self, text: str, source: Path, place: str) -> str:
        def moved(link: re.Match[str]) -> str:
            target = (source.parent / link["path"]).resolve()
            if not target.exists():
                self.faults.append(f"{source.relative_to(ROOT)}: {link['path']} is not there")
                return link[0]
            return f"]({_relative(self.add(target), place)}{link['anchor'] or ''})"

        return _LINK.sub(moved, text)

    def _drawn(self, text: str, title: list[str], source: Path, place: str) -> str:
        svg = picture(text)
        if not svg.exists():
            self.faults.append(f"{source.relative_to(ROOT)}: render {svg.relative_to(ROOT)}")
            return ""
        return f"![{''.join(title)}]({_relative(self.add(svg), place)})"


def place_of(source: Path) -> str:
    """The place of a file of the checkout in the site."""
    path = source.relative_to(ROOT)
    for folder, where in FOLDERS.items():
        if path.is_relative_to(folder) and (path.suffix == ".md" or folder == "docs"):
            name = "index.md" if path.name == "README.md" else path.name
            return (Path(where) / path.relative_to(folder)).with_name(name).as_posix()
    # The generator leaves hidden folders out.
    visible = "/".join(part.lstrip(".") for part in path.parts)
    return f"files/{visible}" if path.suffix == ".md" else f"files/{visible}.md"


def _listing(source: Path) -> str:
    name = source.relative_to(ROOT).as_posix()
    head = f"---\nsearch:\n  exclude: true\n---\n# {name}"
    if source.is_dir():
        names = sorted(one.name + "/" * one.is_dir() for one in source.iterdir())
        shown = [one for one in names if not one.startswith(("__pycache__", "."))]
        return f"{head}/\n\n" + "".join(f"- `{one}`\n" for one in shown)
    text = source.read_text(encoding="utf-8")
    return f"{head}\n\n````{_LANGUAGES.get(source.suffix, 'text')}\n{text}````\n"


def _relative(place: str, page: str) -> str:
    return Path(os.path.relpath(place, Path(page).parent)).as_posix()


def main() -> None:
    """Stage all pages, and say what is wrong with them."""
    # All of it, with the generator's cache: a page that it takes from there is not checked again.
    shutil.rmtree(STAGE, ignore_errors=True)
    STAGE.mkdir()
    shutil.copyfile(ROOT / "mkdocs.yml", STAGE / "mkdocs.yml")
    site = Site()
    site.add(ROOT / "docs/site.css")
    for folder in FOLDERS:
        for source in sorted((ROOT / folder).rglob("*.md")):
            site.add(source)
    for fault in site.faults:
        print(fault, file=sys.stderr)
    if site.faults:
        sys.exit(1)


if __name__ == "__main__":
    main()
