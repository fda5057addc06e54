"""What builds the image: the engine it finds, what it takes out, and the bill of what is left."""

import importlib.util
import json
import re
import shutil
import stat
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from deploy.image import debian, engine, sbom, slim, steps
from worker import __version__

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text("utf-8")
CRATE = Path("worker/ingest/plain/native")
REQUIREMENTS = ROOT / "deploy/requirements"


def program(directory: Path, name: str, status: int) -> None:
    file = directory / name
    file.write_text(f"#!/bin/sh\nexit {status}\n")
    file.chmod(stat.S_IRWXU)


def test_the_first_engine_that_answers_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client of Docker is often installed where its server is not."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(engine.NoEngine, match=r"docker is not installed; podman is not installed"):
        engine.find()
    program(tmp_path, "docker", 1)
    with pytest.raises(engine.NoEngine, match="docker does not answer"):
        engine.find()
    program(tmp_path, "podman", 0)
    assert engine.find() is engine.ENGINES["podman"]
    with pytest.raises(engine.NoEngine, match="docker does not answer"):
        engine.find("docker")
    program(tmp_path, "docker", 0)
    assert engine.find() is engine.ENGINES["docker"]


def test_a_build_names_its_secrets_and_does_not_tell_them(tmp_path: Path) -> None:
    secret = tmp_path / "pip.conf"
    secret.write_text("[global]\nindex-url = https://ana:hunter2@index.example/simple\n")
    words = engine.ENGINES["podman"].build(
        ROOT, steps.DOCKERFILE, "plazo:1", {"EXTRAS": "otel"}, {"pip.conf": secret}, ["--pull"]
    )
    assert words[:4] == ["podman", "build", "--isolation", "chroot"]
    assert words[-1] == str(ROOT)
    assert "EXTRAS=otel" in words
    assert f"id=pip.conf,src={secret}" in words
    assert "hunter2" not in " ".join(words)
    # The Dockerfile knows each secret by that id, and each argument by that name.
    asked = set(re.findall(r"--mount=type=secret,id=([a-z.]+)", DOCKERFILE))
    assert steps.found_secrets().keys() <= asked == {"pip.conf", "ca.pem"}
    declared = set(re.findall(r"^ARG ([A-Z]+)", DOCKERFILE, re.MULTILINE))
    assert {"BASE", "RUST", "EXTRAS", "VERSION", "REVISION"} <= declared


def test_a_build_takes_the_bases_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    monkeypatch.setattr(steps, "quietly", built.extend)
    steps.build(engine.ENGINES["podman"], "plazo:1", base="a", rust="b", secrets={})
    assert {"BASE=a", "RUST=b"} < {*built}
    built.clear()
    steps.build(engine.ENGINES["podman"], "plazo:1", secrets={})
    assert not any(one.startswith(("BASE=", "RUST=")) for one in built)


def test_what_is_built_here_does_not_get_into_the_image() -> None:
    """The image builds its own, for its own platform."""
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    left_out = [f"{CRATE.parent}/native.abi3.so*", f"{CRATE}/target"]
    assert all(ignored.index(one) > ignored.index("!worker") for one in left_out)
    assert f"COPY {CRATE} /native" in DOCKERFILE


def test_the_dockerfile_asks_no_hub_for_its_syntax_and_knows_its_version() -> None:
    assert not re.search(r"^#\s*(syntax|escape|check)\s*=", DOCKERFILE, re.MULTILINE)
    assert f"ARG VERSION={__version__}\n" in DOCKERFILE
    assert steps.version() == __version__


def test_the_traces_are_locked_beside_the_rest() -> None:
    locked = [
        set(re.findall(r"^\S+==\S+", (REQUIREMENTS / name).read_text(), re.MULTILINE))
        for name in ("worker.txt", "worker-otel.txt", "test.txt")
    ]
    assert locked[0] < locked[1] < locked[2]
    added = {one.partition("==")[0] for one in locked[1] - locked[0]}
    assert {"opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"} <= added


def test_a_stripped_library_still_runs(tmp_path: Path) -> None:
    """Those that the image holds, in a Python of their own."""
    code = "import {0}; print({0}.__file__)"
    for name in ("uvloop", "asyncpg", "pydantic_core", "cramjam"):
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        shutil.copytree(Path(found.origin).parent, tmp_path / name)
    before = {file: file.stat().st_size for file in tmp_path.rglob("*.so")}
    assert slim.main([str(tmp_path)]) == 0
    after = {file: file.stat().st_size for file in tmp_path.rglob("*.so")}
    assert before.keys() == after.keys() != set()
    assert sum(after.values()) < sum(before.values()) / 2
    for file in after:
        assert slim.strip(file.read_bytes()) == file.read_bytes()
    for name in ("uvloop", "asyncpg", "pydantic_core", "cramjam"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(name)],
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert Path(done.stdout.strip()).is_relative_to(tmp_path)


@pytest.mark.parametrize("content", [b"", b"INPUT(libx.so)", b"\x7fELF\x01\x01" + bytes(60)])
def test_what_is_no_such_library_stays(content: bytes) -> None:
    assert slim.strip(content) == content


def test_tests_and_sources_go_and_modules_stay(tmp_path: Path) -> None:
    stay = ("a/__init__.py", "a/testing.py", "a/py.typed", "a/data.json", "a/b/tests/x.py")
    go = ("a/tests/x.py", "a/testing/x.py", "a/fast.pyx", "a/fast.c", "a/b/types.pyi")
    for name in (*stay, *go):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    assert slim.main([str(tmp_path)]) == 0
    left = {str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*") if one.is_file()}
    assert left == set(stay)


PLAZO, PYDANTIC = distribution("plazo"), distribution("pydantic")
HASHES = [letter * 64 for letter in "ab"]
LOCK = " \\\n    --hash=sha256:".join([f"pydantic=={PYDANTIC.version}", *HASHES]) + "\n"


def test_the_bill_names_what_is_installed_and_locked() -> None:
    installed = {"plazo": PLAZO, "pydantic": PYDANTIC}
    found = sbom.bill(f"{LOCK}absent==1 \\\n    --hash=sha256:0\n", installed, whole=True)
    assert found == sbom.bill(f"{LOCK}absent==1 \\\n    --hash=sha256:0\n", installed, whole=True)
    (one,) = found["components"]
    assert (one["name"], one["version"]) == ("pydantic", PYDANTIC.version)
    assert one["purl"] == f"pkg:pypi/pydantic@{PYDANTIC.version}"
    assert [each["content"] for each in one["hashes"]] == HASHES
    assert one["licenses"]
    program = found["metadata"]["component"]
    assert (program["name"], program["version"]) == ("plazo", __version__)
    assert {"ref": program["bom-ref"], "dependsOn": [one["bom-ref"]]} in found["dependencies"]


def test_there_is_no_bill_of_what_is_not_locked() -> None:
    installed = {"plazo": PLAZO, "pydantic": PYDANTIC}
    assert sbom.bill("", installed, whole=False)["components"] == []
    with pytest.raises(sbom.Unlocked, match="installed and not locked: pydantic"):
        sbom.bill("", installed, whole=True)
    with pytest.raises(sbom.Unlocked, match=r"0\.1 is locked"):
        sbom.bill(LOCK.replace(PYDANTIC.version, "0.1"), installed, whole=False)


def test_the_bill_of_the_worker_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "plazo.cdx.json"
    assert sbom.main([str(REQUIREMENTS / "worker.txt"), str(file)]) == 0
    named = {one["name"] for one in json.loads(file.read_text())["components"]}
    assert {"aiokafka", "asyncpg", "pydantic", "typer", "fastavro"} <= named
    assert "pytest" not in named


# What apt would fetch, in the words of `apt-get --print-uris update`.
URIS = """'http://security.example/debian-security/dists/trixie-security/InRelease' a 0
'http://mirror.example/debian/dists/trixie/InRelease' b 0
'http://mirror.example/debian/dists/trixie/main/binary-amd64/Packages.xz' c 0
"""


@pytest.mark.parametrize(
    ("updated", "mirror"), [("http://other.example/deb/", "other"), ("", "mirror")]
)
def test_the_mirror_is_that_of_apt(
    updated: str, mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its first update apt does not know whose packages a source holds."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert debian.missing() == "apt-get is not installed"
    program(tmp_path, "apt-get", 0)
    assert debian.missing() == "mmdebstrap is not installed"
    program(tmp_path, "mmdebstrap", 0)
    assert debian.missing() == "apt knows no mirror of Debian"
    (tmp_path / "apt-get").write_text(
        f'#!/bin/sh\ncase "$*" in *Origin*) echo "{updated}";; *) echo "{URIS}";; esac\n'
    )
    assert debian.missing() == ""
    told = tmp_path / "told"
    (tmp_path / "mmdebstrap").write_text(
        f'#!/bin/sh\nfor last; do :; done\necho "$last" > {told}\n'
    )
    debian.make(tmp_path / "base.tar", debian.RUST)
    assert told.read_text().startswith(f"http://{mirror}.example/deb")
