"""The wheel, installed outside the checkout: it holds all that the program needs.

The libraries are those of the test environment, so nothing is downloaded.
"""

import os
import signal
import subprocess
import sys
import sysconfig
import venv
from email import message_from_string
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import aiohttp
import pytest

from tests.support.parts import Kafka
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker import __version__
from worker.dev.process import free_port

ROOT = Path(__file__).parents[2]


class Installed(NamedTuple):
    """An environment with the wheel in it."""

    wheel: Path
    environment: Path
    directory: Path  # to run in: not the checkout

    def command(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.environment / "bin/plazo", *arguments],
            cwd=self.directory, env=self.variables(**variables), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def output(self, *arguments: str, **variables: str) -> str:
        process = self.command(*arguments, **variables)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, out + err
        return out

    @staticmethod
    def variables(**variables: str) -> dict[str, str]:
        return {"PATH": os.defpath, **{f"PLAZO_{k.upper()}": v for k, v in variables.items()}}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    directory = tmp_path_factory.mktemp("wheel")
    environment = directory / "environment"
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory)
    (wheel,) = directory.glob("*.whl")
    venv.create(environment, symlinks=True)
    python = environment / "bin/python"
    _run(
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python,
        "install", "--quiet", "--no-deps", "--no-index", wheel,
    )  # fmt: skip
    paths = sysconfig.get_paths()
    (packages,) = environment.glob("lib/python*/site-packages")
    # A path alone: the .pth files there, such as that of the checkout, are not read.
    (packages / "libraries.pth").write_text(f"{paths['purelib']}\n{paths['platlib']}\n")
    (directory / "empty").mkdir()
    return Installed(wheel, environment, directory / "empty")


@pytest.fixture
def settings(kafka: Kafka, database: str, topics: Topics) -> dict[str, str]:
    named = topics.environment().items()
    return {
        "kafka_bootstrap_servers": kafka.bootstrap_servers,
        "kafka_idempotence": str(kafka.idempotence),
        "database_url": database,
        "group_id": "wheel",
        **{name.removeprefix("PLAZO_").lower(): value for name, value in named},
    }


def test_its_metadata_has_links_classifiers_and_the_licence(installed: Installed) -> None:
    with ZipFile(installed.wheel) as wheel:
        (name,) = (one for one in wheel.namelist() if one.endswith(".dist-info/METADATA"))
        metadata = message_from_string(wheel.read(name).decode())
        assert name.replace("METADATA", "licenses/LICENSE") in wheel.namelist()
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "Apache-2.0"
    links = {link.partition(",")[0] for link in metadata.get_all("Project-URL", ())}
    assert links >= {"Documentation", "Source"}
    assert "Programming Language :: Python :: 3.11" in metadata.get_all("Classifier", ())


def test_the_program_is_that_of_the_wheel(installed: Installed) -> None:
    code = "import worker, schemas; print(worker.__file__, schemas.__file__, sep='\\n')"
    places = subprocess.run(
        [installed.environment / "bin/python", "-c", code], cwd=installed.directory,
        env=installed.variables(), capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert len(places) == 2
    assert all(Path(place).is_relative_to(installed.environment) for place in places)
    assert installed.output("--version") == f"{__version__}\n"


def test_it_brings_the_files_for_operators(installed: Installed, tmp_path: Path) -> None:
    page = (ROOT / "deploy/runbooks/PlazoLaneHalted.md").read_text("utf-8")
    assert "PlazoLaneHalted" in installed.output("runbook").splitlines()
    assert installed.output("runbook", "PlazoLaneHalted") == page
    written = installed.output("assets", str(tmp_path)).splitlines()
    for name in ("runbooks/README.md", "prometheus/plazo.rules.yaml", "grafana/plazo.json",
                 "postgres/roles.sql", "postgres/grants.sql"):  # fmt: skip
        assert str(tmp_path / name) in written
        assert (tmp_path / name).read_bytes() == (ROOT / "deploy" / name).read_bytes()
    # A mapping that was written out is a start for one's own.
    mapping = tmp_path / "mappings/shopify.yaml"
    assert str(mapping) in written
    assert installed.output("format", "check", str(mapping)).endswith("as it says\n")


async def test_it_migrates_checks_and_runs(installed: Installed, settings: dict[str, str]) -> None:
    port = free_port()
    assert installed.output("migrate", **settings).startswith("schema is at ")
    assert "faults 0" in installed.output("check", **settings)
    worker = installed.command("run", http_port=str(port), **settings)
    try:
        async with aiohttp.ClientSession() as session:

            async def settled() -> bool:
                if worker.poll() is not None:
                    return True
                try:
                    async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                        return answer.status == 200
                except aiohttp.ClientError:
                    return False

            await eventually(settled, 60)
        assert worker.poll() is None, worker.communicate()
        worker.send_signal(signal.SIGTERM)
        _, err = worker.communicate(timeout=40)
        assert worker.returncode == 0, err
    finally:
        worker.kill()


def _run(*command: str | Path) -> None:
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, timeout=120)
