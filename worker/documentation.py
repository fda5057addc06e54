"""Tables of README.md that come from the code: settings and metrics.

``python -m worker.documentation README.md`` rewrites what stands between
``<!-- settings -->`` and ``<!-- /settings -->``, and likewise for ``metrics``.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from worker.observability.metrics import Metrics
from worker.settings import Settings


def settings_table() -> str:
    """Every variable with its default and what it is for."""
    rows = ((_code(name), _code(default), text) for name, default, text in Settings.documentation())
    return _table(("Variable", "Default", "Meaning"), rows)


def metrics_table() -> str:
    """Every metric with its type, its labels and what it says."""
    rows = (
        (_code(row.name), row.type, ", ".join(map(_code, row.label_names)), row.help)
        for row in Metrics.documentation()
    )
    return _table(("Metric", "Type", "Labels", "Meaning"), rows)


def fill(text: str) -> str:
    """The text with its tables as the code has them now.

    Raises:
        ValueError: a pair of markers is missing.
    """
    for name, table in (("settings", settings_table()), ("metrics", metrics_table())):
        place = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text, found = place.subn(lambda m, table=table: m[1] + table + m[2], text)  # type: ignore[misc]
        if found != 1:
            raise ValueError(f"expected one pair of markers <!-- {name} --> … <!-- /{name} -->")
    return text


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(_cell, line)) + " |\n" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        file = Path(argument)
        file.write_text(fill(file.read_text("utf-8")), "utf-8")
