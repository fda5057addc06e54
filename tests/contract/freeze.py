"""Freeze the contract of a release: ``python -m tests.contract.freeze 0.2``.

Copies the schemas, the samples of what is emitted and the examples of what is accepted, with what
each was read as, to ``schemas/released/<version>/``. A copy is never changed again.
"""

import json
import shutil
import sys
from pathlib import Path

import schemas

from .accepted import meaning

HERE = Path(schemas.__file__).parent


def main(arguments: list[str]) -> int:
    """Freeze; the exit status."""
    if len(arguments) != 1 or not arguments[0].replace(".", "").isdigit():
        print("usage: python -m tests.contract.freeze VERSION", file=sys.stderr)
        return 2
    target = HERE / "released" / arguments[0]
    if target.exists():
        print(f"{arguments[0]} is frozen already", file=sys.stderr)
        return 1
    for folder in ("json", "samples"):
        shutil.copytree(HERE / folder, target / folder)
    (target / "accepted").mkdir()
    for path in sorted((HERE / "examples/valid").iterdir()):
        example = json.loads(path.read_text(encoding="utf-8"))
        text = json.dumps(example | {"means": meaning(example)}, indent=2, ensure_ascii=False)
        (target / "accepted" / path.name).write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
