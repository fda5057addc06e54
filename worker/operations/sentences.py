"""The sentences about one order, in each language: those of `plazo explain` and of the board.

They stand in sentences.json, beside this module. ``{name}`` is a place for a value.
"""

import json
import re
from importlib.resources import files

ENGLISH = "en"
SENTENCES: dict[str, dict[str, str]] = json.loads(
    files(__package__).joinpath("sentences.json").read_text("utf-8")
)

_PLACE = re.compile(r"\{(\w+)\}")


def say(language: str, key: str, **values: object) -> str:
    """A sentence with its places filled in; a place without a value stays for the caller.

    Raises:
        KeyError: no such language, or no such sentence.
    """
    text = SENTENCES[language][key]
    return _PLACE.sub(lambda found: str(values.get(found[1], found[0])), text)


def has(key: str) -> bool:
    """Whether there is such a sentence."""
    return key in SENTENCES[ENGLISH]
