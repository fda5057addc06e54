"""Write the JSON Schemas, the AsyncAPI document, the schemas for Kafka Connect and for a schema
registry, and the table of statuses in the publishers' guide:
``python -m schemas.generate [--check]``.

``--check`` writes nothing and fails if a file is not what the models say.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from . import statuses
from .asyncapi import asyncapi
from .connect import connect_schema
from .json_schema import EVENTS, json_schema
from .registered import AVRO, JSON_SCHEMA, decision_avro_schema, decision_json_schema

__all__ = ["EVENTS", "documents", "json_schema", "main"]

HERE = Path(__file__).parent


def documents() -> dict[Path, str]:
    """Every generated file and what belongs in it."""
    files: dict[Path, Any] = {
        HERE / "json" / f"{name}.json": json_schema(model) for name, _, model in EVENTS
    }
    files[HERE / "asyncapi.json"] = asyncapi()
    files[HERE / "connect" / "decision.json"] = connect_schema()
    files[JSON_SCHEMA] = decision_json_schema()
    files[AVRO] = decision_avro_schema()
    texts = {
        path: json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        for path, content in files.items()
    }
    return {**texts, HERE / "guides" / "publishers.md": _guide()}


_TABLE = re.compile(r"(?s)(<!-- statuses -->\n).*(<!-- /statuses -->)")


def _guide() -> str:
    """The guide for publishers, with the table of statuses."""
    rows = ["| Counts as | `status` |", "|---|---|"]
    for meaning in statuses.Meaning:
        words = [f"`{word}`" for word, told in statuses.STATUSES.items() if told == meaning]
        if words:
            rows.append(f"| {meaning} | {', '.join(words)} |")
    text = (Path(__file__).parent / "guides" / "publishers.md").read_text(encoding="utf-8")
    return _TABLE.sub(lambda found: "\n".join([found[1] + rows[0], *rows[1:], found[2]]), text)


def main(arguments: list[str]) -> int:
    """Write or check; the exit status."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m schemas.generate [--check]", file=sys.stderr)
        return 2
    stale = [
        (path, text)
        for path, text in documents().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        if arguments:
            print(f"stale: {path.relative_to(HERE.parent)}", file=sys.stderr)
        else:
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(text, encoding="utf-8")
    return 1 if arguments and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
