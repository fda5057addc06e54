"""The image, built once for all tests of it.

Nothing here is collected unless a path in this directory is named: `make image-test`.
"""

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from deploy.image import debian, steps
from deploy.image.engine import Engine, NoEngine, find
from tests.image.containers import Container, called, confined

Call = Callable[..., str]


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Docker or Podman. Podman gets a store of its own, which is removed with all in it."""
    try:
        found = find()
    except NoEngine as error:
        reason = f"the image was NOT built and NOT run: {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    if "podman" not in found.command:
        yield found
        return
    store = tmp_path_factory.mktemp("store")
    places = ("--root", str(store / "root"), "--runroot", str(store / "run"))
    found = replace(found, options=(*found.options, *places))
    yield found
    # Layer by layer it would take a minute. The driver mounts its folder over itself.
    subprocess.run(["umount", store / "root" / "overlay"], capture_output=True, check=False)
    shutil.rmtree(store)


@pytest.fixture(scope="session")
def tags(engine: Engine) -> Iterator[list[str]]:
    """Names of images, removed in the end where the store is everybody's."""
    made: list[str] = []
    yield made
    if "podman" not in engine.command:
        for tag in reversed(made):
            subprocess.run(engine.words("rmi", "--force", tag), capture_output=True, check=False)


@pytest.fixture(scope="session")
def bases(
    engine: Engine, tags: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, str]:
    """The base, and what builds the compiled code; empty for those of the Dockerfile."""
    if why := debian.missing():
        print(f"on the Dockerfile's own bases: {why}")
        return "", ""
    base, rust = (f"localhost/plazo-base:{uuid.uuid4().hex[:12]}" for _ in range(2))
    tags += base, rust
    packages = {base: debian.PYTHON, rust: debian.RUST}
    steps.debian_bases(engine, tmp_path_factory.mktemp("bases"), packages)
    return base, rust


@pytest.fixture(scope="session")
def image(engine: Engine, bases: tuple[str, str], tags: list[str]) -> str:
    """The name of the image under test."""
    tag = f"localhost/plazo:{uuid.uuid4().hex[:12]}"
    tags.append(tag)
    base, rust = bases
    steps.build(engine, tag, base=base, rust=rust)
    return tag


@pytest.fixture
def plazo(engine: Engine, image: str) -> Call:
    """``plazo("check", status=0, **settings)``: a command in a container, and what it printed."""

    def call(*arguments: str, status: int = 0, **settings: str) -> str:
        options = confined(engine, variables(settings))
        return called(engine, "run", "--rm", *options, image, *arguments, status=status)

    return call


@pytest.fixture
def inside(engine: Engine, image: str) -> Call:
    """``inside("cat", "/etc/os-release")``: another program of the image, and its output."""

    def call(program: str, *arguments: str, status: int = 0) -> str:
        options = (*confined(engine, {}), "--entrypoint", program)
        return called(engine, "run", "--rm", *options, image, *arguments, status=status)

    return call


@pytest.fixture
def start(engine: Engine, image: str) -> Iterator[Callable[..., Container]]:
    """``start("run", **settings)``: a container in the background, removed afterwards."""
    started: list[Container] = []

    def new(*arguments: str, program: str = "", **settings: str) -> Container:
        given = variables(settings)
        started.append(Container(engine, image, given, *arguments, program=program))
        return started[-1]

    yield new
    for container in started:
        container.remove()


def variables(settings: dict[str, str]) -> dict[str, str]:
    """``PLAZO_…`` for each setting."""
    return {f"PLAZO_{name.upper()}": value for name, value in settings.items()}
