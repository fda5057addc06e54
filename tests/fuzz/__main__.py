"""Fuzz the decoder, guided by coverage: ``make fuzz ARGS="-max_total_time=300"``.

Needs atheris, in an environment of its own. Findings are written to the current directory.
"""

import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["worker", "schemas"]):
    from tests.fuzz.target import run

CORPUS = Path(__file__).with_name("corpus")
_DEFAULTS = ["-max_total_time=300", "-max_len=4096", "-timeout=5", "-rss_limit_mb=1024"]


def main() -> None:
    """New inputs go to a directory that is given, else nowhere: the corpus stays small."""
    options = [one for one in sys.argv[1:] if one.startswith("-")]
    directories = [one for one in sys.argv[1:] if not one.startswith("-")]
    dictionary = CORPUS.parent / "words.dict"
    with tempfile.TemporaryDirectory() as found:  # the fuzzer writes to its first directory
        arguments = [sys.argv[0], *_DEFAULTS, f"-dict={dictionary}", *options]
        atheris.Setup([*arguments, *(directories or [found]), str(CORPUS)], run)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
