"""What readers generate from the contract: code with short names, types that are wide enough, and
schemas that strict validators take.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import schemas
from schemas.json_schema import EVENTS
from tests.support.languages import CACHE, install_node

HERE = Path(__file__).parent
CONTRACT = Path(schemas.__file__).parent
MODELS = [model.__name__ for _, _, model in EVENTS]

# The first installation fetches all of them.
pytestmark = pytest.mark.timeout(400)


def need(*tools: str) -> None:
    absent = [tool for tool in tools if shutil.which(tool) is None]
    if absent:
        assert not os.environ.get("CI"), f"CI needs {absent}"
        pytest.skip(f"no code was generated: no {' and no '.join(absent)} here")


@pytest.fixture(scope="module")
def made() -> Mapping[str, Any]:
    """What the generators of npm make."""
    need("node", "npm")
    folder = CACHE / "generators"
    install_node(HERE, folder)
    shutil.copy(HERE / "generate.js", folder)
    done = subprocess.run(
        ["node", "generate.js", str(CONTRACT)],
        cwd=folder, capture_output=True, text=True, timeout=170, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def test_ajv_compiles_every_schema_in_strict_mode_and_takes_the_samples(
    made: Mapping[str, Any],
) -> None:
    assert made["refused"] == {}


def test_the_parser_of_asyncapi_has_no_fault_to_tell(made: Mapping[str, Any]) -> None:
    assert made["diagnostics"] == []


def test_typescript_types_have_the_names_of_the_models(made: Mapping[str, Any]) -> None:
    for (name, _, model), (file, text) in zip(
        sorted(EVENTS), sorted(made["typescript"].items()), strict=True
    ):
        assert name == file
        types = re.findall(r"^export (?:interface|type) (\w+)", text, re.MULTILINE)
        inner = json.loads((CONTRACT / "json" / f"{name}.json").read_text()).get("$defs", {})
        assert sorted(types) == sorted([model.__name__, *inner])


@pytest.mark.parametrize("language", ["java", "modelinaTypescript"])
def test_modelina_makes_classes_with_short_names(made: Mapping[str, Any], language: str) -> None:
    assert set(MODELS) <= set(made[language])
    assert not [name for name in made[language] if "Urn" in name or "Colon" in name]


def test_java_keeps_offsets_and_sequences_beyond_32_bits(made: Mapping[str, Any]) -> None:
    assert "private long offset;" in made["java"]["EvidenceAct"]
    assert "private Long sequence;" in made["java"]["AutoCancel"]
    assert "private long sequence;" in made["java"]["Revoked"]


def test_the_converter_of_kafka_connect_makes_a_struct_of_every_decision() -> None:
    need("javac", "mvn")
    jars = CACHE / "connect"
    if not jars.is_dir():
        partial = jars.with_name(f"connect-{os.getpid()}")
        command = ["mvn", "-q", "-B", "-f", str(HERE / "connect" / "pom.xml")]
        command += ["dependency:copy-dependencies", f"-DoutputDirectory={partial}"]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=170)
        partial.rename(jars)
    samples = sorted((CONTRACT / "samples").iterdir())
    done = subprocess.run(
        ["java", "-cp", f"{jars}{os.sep}*", str(HERE / "connect" / "Convert.java"),
         str(CONTRACT / "connect" / "decision.json"), *map(str, samples)],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told = [json.loads(path.read_text()) for path in samples]
    assert done.stdout.splitlines() == [f"{one['type']} {one['sequence']}" for one in told]
