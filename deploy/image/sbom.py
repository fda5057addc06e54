"""Writes what is installed as a bill of materials, CycloneDX 1.6: ``python sbom.py LOCK FILE``.

It names each locked dependency that is installed in the environment of this Python, with its
licence, what it needs and the hashes it was checked against. ``--whole`` ends with 1 if anything
else is installed, so that nothing can be in the image and not on the bill. The same input gives the
same bytes.
"""

import argparse
import json
import re
import sys
import uuid
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

_PROGRAM = "plazo"
_LOCKED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_SEPARATORS = re.compile(r"[-_.]+")
# Names of this project alone: the number of a bill depends on nothing but its content.
_NAMESPACE = uuid.UUID("8a0a6a4e-6c3c-4c43-9b3f-1f8f6e0c2d51")


class Unlocked(RuntimeError):
    """Something is installed that is not locked, or not as it is locked."""


def bill(lock: str, installed: dict[str, Distribution], *, whole: bool) -> dict[str, Any]:
    """The document; ``installed`` are distributions by their plain names, with ours.

    Raises:
        Unlocked: another version is installed than is locked, or with ``whole`` anything else.
    """
    locked = {
        _plain(name): (version, _HASH.findall(rest))
        for name, version, rest in _LOCKED.findall(lock)
    }
    if whole and (others := sorted(installed.keys() - locked.keys() - {_PROGRAM})):
        raise Unlocked(f"installed and not locked: {', '.join(others)}")
    components = []
    for name in sorted(locked.keys() & installed.keys()):
        version, hashes = locked[name]
        if installed[name].version != version:
            raise Unlocked(f"{name} {installed[name].version} is installed, {version} is locked")
        component = _component(name, installed[name], "library")
        component["hashes"] = [{"alg": "SHA-256", "content": one} for one in hashes]
        components.append(component)
    program = _component(_PROGRAM, installed[_PROGRAM], "application")
    listed = {one["name"]: one["bom-ref"] for one in (program, *components)}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": program},
        "components": components,
        "dependencies": [
            {"ref": ref, "dependsOn": sorted({listed[need] for need in _needs(installed[name])
                                              if need in listed})}
            for name, ref in listed.items()
        ],
    }  # fmt: skip
    number = uuid.uuid5(_NAMESPACE, json.dumps(document, sort_keys=True))
    return {**document, "serialNumber": f"urn:uuid:{number}"}


def _component(name: str, found: Distribution, kind: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}@{found.version}"
    component = {
        "type": kind,
        "bom-ref": purl,
        "name": name,
        "version": found.version,
        "purl": purl,
    }
    return component | _licence(found)


def _licence(found: Distribution) -> dict[str, Any]:
    told = found.metadata.get_all("License-Expression")
    if told:
        return {"licenses": [{"expression": told[0]}]}
    classes = [
        one.rpartition(" :: ")[2]
        for one in found.metadata.get_all("Classifier", ())
        if one.startswith("License :: OSI Approved :: ")
    ]
    # Some packages put the whole text there.
    short = [one for one in found.metadata.get_all("License", ()) if "\n" not in one]
    names = classes or short
    return {"licenses": [{"license": {"name": name}} for name in names]} if names else {}


def _needs(found: Distribution) -> Iterator[str]:
    """What it needs here, with the extras of any kind: what of them is installed is used."""
    extras = found.metadata.get_all("Provides-Extra", ())
    for text in found.requires or ():
        need = Requirement(text)
        environments = [{"extra": extra} for extra in ("", *extras)]
        if need.marker is None or any(need.marker.evaluate(one) for one in environments):
            yield _plain(need.name)


def _plain(name: str) -> str:
    return _SEPARATORS.sub("-", name).lower()


def main(arguments: Sequence[str]) -> int:
    """Write the bill and return the status."""
    parser = argparse.ArgumentParser(prog="sbom")
    parser.add_argument("lock", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--whole", action="store_true")
    chosen = parser.parse_args(arguments)
    installed = {_plain(one.name): one for one in distributions()}
    installed[_PROGRAM] = distribution(_PROGRAM)
    try:
        found = bill(chosen.lock.read_text("utf-8"), installed, whole=chosen.whole)
    except Unlocked as error:
        sys.stderr.write(f"no bill of materials: {error}\n")
        return 1
    chosen.file.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    sys.stdout.write(f"{chosen.file}: {len(found['components'])} components\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
