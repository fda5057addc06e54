"""Loads the edited text in place of a module. No file changes."""

import sys
from collections.abc import Mapping
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType

from tests.simulation.mutants.fault import PlantedFault

ROOT = Path(__file__).parents[3]


class _Loader(SourceFileLoader):
    """Loads a module from the edited text."""

    def __init__(self, name: str, path: Path, text: str) -> None:
        super().__init__(name, str(path))
        self._text = text

    def get_code(self, _name: str) -> CodeType:
        return compile(self._text, self.path, "exec", dont_inherit=True)


class Finder(MetaPathFinder):
    """Finds the modules that have an edited text."""

    def __init__(self, texts: Mapping[Path, str]) -> None:
        self._texts = {
            ".".join(path.relative_to(ROOT).with_suffix("").parts): (path, text)
            for path, text in texts.items()
        }

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        if name not in self._texts:
            return None
        return spec_from_file_location(name, loader=_Loader(name, *self._texts[name]))

    def install(self) -> None:
        early = self._texts.keys() & sys.modules.keys()
        assert not early, f"imported before the fault was planted: {early}"
        sys.meta_path.insert(0, self)


def edited(fault: PlantedFault) -> Mapping[Path, str]:
    """The files that the fault edits, with their new text.

    Raises:
        LookupError: the code has changed, so an edit has no place, or several.
    """
    texts: dict[Path, str] = {}
    for file, old, new in fault.edits:
        path = ROOT / file
        text = texts.get(path) or path.read_text(encoding="utf-8")
        if (places := text.count(old)) != 1:
            raise LookupError(f"{fault.name}: {places} places in {file}, not one, for\n{old}")
        texts[path] = text.replace(old, new)
    return texts
