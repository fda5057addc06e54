"""Commands that start the peers; those in Java and Go are compiled when they are asked for."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.support.apache_kafka import fetch_jars

_HERE = Path(__file__).parent
_CACHE = _HERE.parents[2] / ".cache"


class NotToBeHad(Exception):
    """This machine lacks what the peer needs."""


def python(module: str, *arguments: str) -> Sequence[str]:
    """An app beside this file."""
    return [sys.executable, "-m", f"tests.benchmarks.peers.{module}", *arguments]


@cache
def streams() -> Sequence[str]:
    """Kafka Streams; give it ``eos`` or ``alo``.

    Raises:
        NotToBeHad: there is no Java compiler, or no Maven.
    """
    _need("javac", "mvn")
    source = _HERE / "streams"
    jars = fetch_jars(source / "pom.xml", _CACHE / "streams" / "libs")
    classes = _CACHE / "streams" / "classes"
    paths = f"{jars}{os.sep}*"
    command = ["javac", "-d", str(classes), "-cp", paths, str(source / "Deadlines.java")]
    subprocess.run(command, check=True)
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    return ["java", quiet, "-cp", f"{classes}{os.pathsep}{paths}", "Deadlines"]


@cache
def river() -> Sequence[str]:
    """River; give it what to do.

    Raises:
        NotToBeHad: there is no Go.
    """
    _need("go")
    program = _CACHE / "river"
    subprocess.run(["go", "build", "-o", str(program), "."], check=True, cwd=_HERE / "river")
    return [str(program)]


def _need(*programs: str) -> None:
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        raise NotToBeHad(f"it needs {' and '.join(missing)}")
