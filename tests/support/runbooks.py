"""What the runbooks tell the person on call to type."""

import re
from pathlib import Path

RUNBOOKS = Path(__file__).parents[2] / "deploy" / "runbooks"


def blocks(language: str) -> list[tuple[str, str]]:
    """The fenced blocks in this language, each with the name of its page."""
    pattern = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    pages = sorted(RUNBOOKS.glob("*.md"))
    return [(page.name, text) for page in pages for text in pattern.findall(page.read_text())]


def queries() -> list[str]:
    """Those for Prometheus: one a line."""
    return [line for _, text in blocks("promql") for line in text.splitlines()]


def commands() -> list[str]:
    """Those of ``plazo``, of blocks and of the text, each once."""
    shell = [line for _, text in blocks("sh") for line in text.splitlines()]
    found = [match[1] for line in shell if (match := re.search(r"(?:^|-- )plazo (\S.*)", line))]
    for page in sorted(RUNBOOKS.glob("*.md")):
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        found += [" ".join(words.split()) for words in re.findall(r"`plazo\s+([a-z][^`]*)`", text)]
    return list(dict.fromkeys(found))
