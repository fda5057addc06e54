"""Builds the container image: ``python -m deploy.image`` (``make image``).

It ends with 0 when the image is in the engine's store, and with 1 otherwise. Options that it does
not know go to the engine, such as ``--network host``.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy.image import debian, engine, steps

_DEBIAN = "localhost/plazo-base:debian"
_DEBIAN_RUST = "localhost/plazo-rust:debian"


def main(arguments: Sequence[str]) -> int:
    """Build it and return the status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.image", description=__doc__)
    parser.add_argument("--engine", choices=[*engine.ENGINES], default="")
    parser.add_argument("--tag", default=f"plazo:{steps.version()}")
    base = parser.add_mutually_exclusive_group()
    base.add_argument("--base", default="", help="an image with python3, by digest if you can")
    base.add_argument("--debian", action="store_true", help="make the base of Debian packages")
    parser.add_argument("--rust", default="", help="an image with cargo, to build what is compiled")
    parser.add_argument("--extras", choices=["", "otel"], default="", help="otel adds the traces")
    chosen, more = parser.parse_known_args(arguments)
    try:
        runs = engine.find(chosen.engine)
        if chosen.debian:
            bases = {_DEBIAN: debian.PYTHON}
            if not chosen.rust:
                bases[_DEBIAN_RUST] = debian.RUST
            with tempfile.TemporaryDirectory(prefix="plazo-base-") as directory:
                steps.debian_bases(runs, Path(directory), bases)
        reference = _DEBIAN if chosen.debian else chosen.base
        rust = chosen.rust or (_DEBIAN_RUST if chosen.debian else "")
        steps.build(runs, chosen.tag, base=reference, rust=rust, extras=chosen.extras, more=more)
    except (engine.NoEngine, debian.NoDebian, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"NOT BUILT: {error}\n")
        return 1
    sys.stdout.write(f"{chosen.tag}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
