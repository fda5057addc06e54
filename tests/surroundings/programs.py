"""The programs that stand beside the worker: of Debian's packages, of Maven, or built by Go.

What no package has is fetched or built into ``.cache`` by the first test that needs it.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support import apache_kafka

_CACHE = Path(__file__).parents[2] / ".cache" / "surroundings"
_COLLECTOR = Path(__file__).parent / "go" / "collector"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_KAFKA_TOOLS = "org.apache.kafka:kafka-tools:4.4.0"

# Debian has this one under a longer name.
_OTHER_NAMES = {"alertmanager": "prometheus-alertmanager"}
_PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "kcat": "kcat",
}


def required(name: str) -> Path:
    """A program of a Debian package, for a test; without it the test is skipped."""
    found = shutil.which(name) or shutil.which(_OTHER_NAMES.get(name, name))
    if found is None:
        pytest.skip(f"{name} is not here: install Debian's package {_PACKAGES[name]}")
    return Path(found)


def collector() -> Path:
    """An OpenTelemetry Collector; built unless it is there, which takes minutes."""
    built = _CACHE / "collector"
    if not built.is_file():
        if shutil.which("go") is None:
            pytest.skip("no OpenTelemetry Collector is built, and Go is not here")
        _CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as directory:
            subprocess.run(
                ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", f"{directory}/collector"],
                cwd=_COLLECTOR, stdin=subprocess.DEVNULL, check=True,
            )  # fmt: skip
            (Path(directory) / "collector").rename(built)
    return built


def consumer_groups() -> list[str]:
    """The words that run Kafka's own tool for consumer groups."""
    jar = _CACHE / "kafka-tools-4.4.0.jar"
    if not jar.is_file():
        if shutil.which("mvn") is None:
            pytest.skip("Kafka's tools are not here, nor the Maven to fetch them")
        _CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["mvn", "-q", "-B", _COPY, f"-Dartifact={_KAFKA_TOOLS}", f"-DoutputDirectory={_CACHE}"],
            stdin=subprocess.DEVNULL, check=True,
        )  # fmt: skip
    path = f"{jar}{os.pathsep}{apache_kafka.fetch_jars()}/*"
    main = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", path, main]
