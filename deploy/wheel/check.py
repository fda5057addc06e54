"""Whether the wheels and the sdist of a release hold what they are for, and install."""

import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

CRATE = "worker/ingest/plain/native/"
MODULE = "worker/ingest/plain/native.abi3.so"
_ASK = "from worker.ingest.plain import compiled; print(compiled() is not None)"


def faults(directory: Path, root: Path) -> Iterator[str]:
    """What is wrong with the files in ``directory``, made of the checkout ``root``.

    Raises:
        ValueError: there is not one of each.
        subprocess.CalledProcessError: a wheel does not install, or its program does not start.
    """
    for pattern, has_code in (("plazo-*-any.whl", False), ("plazo-*-abi3-*.whl", True)):
        (wheel,) = directory.glob(pattern)
        with ZipFile(wheel) as archive:
            names = set(archive.namelist())
        if (MODULE in names) != has_code:
            yield f"{wheel.name} {'lacks' if has_code else 'holds'} compiled code"
        if any(name.startswith(CRATE) for name in names):
            yield f"{wheel.name} holds sources in Rust"
        if _reads_with_code(wheel) != has_code:
            yield f"{wheel.name} {'does not use' if has_code else 'uses'} compiled code"
    (sdist,) = directory.glob("plazo-*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    if missing := sorted(_sources(root) - names):
        yield f"{sdist.name} lacks {', '.join(missing)}"
    if built := sorted(n for n in names if n == MODULE or n.startswith(f"{CRATE}target/")):
        yield f"{sdist.name} holds what was built: {', '.join(built)}"


def _sources(root: Path) -> set[str]:
    found = {*root.glob(f"{CRATE}src/**/*.rs"), *root.glob(f"{CRATE}Cargo.*")}
    found.add(root / CRATE / ".cargo/config.toml")
    return {str(file.relative_to(root)) for file in found}


def _reads_with_code(wheel: Path) -> bool:
    """Install it in an environment of its own, which borrows the libraries of this one."""
    with tempfile.TemporaryDirectory(prefix="plazo-wheel-") as directory:
        environment = Path(directory) / "environment"
        venv.create(environment, symlinks=True)
        python = environment / "bin/python"
        _output(
            sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python,
            "install", "--quiet", "--no-deps", "--no-index", wheel, at=directory,
        )  # fmt: skip
        (packages,) = environment.glob("lib/python*/site-packages")
        paths = sysconfig.get_paths()
        # A path alone: the .pth files there, such as that of the checkout, are not read.
        (packages / "libraries.pth").write_text(f"{paths['purelib']}\n{paths['platlib']}\n")
        return _output(python, "-I", "-c", _ASK, at=directory).strip() == "True"


def _output(*command: str | Path, at: str) -> str:
    done = subprocess.run(
        command, cwd=at, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout
