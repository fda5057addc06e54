"""The wheels: the platform that one is tagged for, and what the check of a release finds."""

import shutil
import tarfile
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from deploy.wheel import check, hook

ROOT = Path(__file__).parents[2]
HERE = ["linux_x86_64", *(f"manylinux_2_{minor}_x86_64" for minor in range(40, 4, -1))]
LICENCE = "plazo-1.dist-info/licenses/LICENSE"
SOURCE = f"{check.CRATE}src/lib.rs"


@pytest.mark.parametrize(
    ("names", "tag"),
    [
        ([b"GLIBC_2.2.5", b"GLIBC_2.14", b"GLIBC_2.9"], "manylinux_2_14_x86_64"),
        ([b"GLIBC_2.33", b"GLIBC_PRIVATE", b"GLIBCXX_3.4"], "manylinux_2_33_x86_64"),
        ([b"GLIBC_2.41"], "linux_x86_64"),  # newer than any that this machine takes
        ([b"GCC_3.0"], "linux_x86_64"),
        ([], "linux_x86_64"),
    ],
)
def test_the_tag_is_the_newest_glibc_that_the_library_names(names: list[bytes], tag: str) -> None:
    library = b"\x7fELF\0" + b"\0".join((*names, b""))
    assert hook.platform_tag(library, HERE) == tag


def test_on_macos_the_tag_is_that_of_the_machine() -> None:
    assert hook.platform_tag(b"\xcf\xfa\xed\xfe", ["macosx_14_0_arm64"]) == "macosx_14_0_arm64"


def test_without_cargo_and_code_no_wheel_claims_to_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(RuntimeError, match="needs cargo"):
        hook.find(tmp_path)
    module = tmp_path / check.MODULE
    module.parent.mkdir(parents=True)
    module.touch()
    assert hook.find(tmp_path) == module


def files(directory: Path, pure: list[str], platform: list[str], sdist: list[str]) -> None:
    for tag, names in (("py3-none-any", pure), ("cp311-abi3-linux_x86_64", platform)):
        with ZipFile(directory / f"plazo-1-{tag}.whl", "w") as wheel:
            for name in (LICENCE, *names):
                wheel.writestr(name, "")
    with tarfile.open(directory / "plazo-1.tar.gz", "w:gz") as archive:
        for name in sdist:
            archive.addfile(tarfile.TarInfo(f"plazo-1/{name}"))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"pure": [check.MODULE]}, "plazo-1-py3-none-any.whl holds compiled code"),
        ({"platform": []}, "plazo-1-cp311-abi3-linux_x86_64.whl lacks compiled code"),
        ({"pure": [SOURCE]}, "plazo-1-py3-none-any.whl holds sources in Rust"),
        ({"sdist": []}, "plazo-1.tar.gz lacks worker/"),
        ({"sdist": [check.MODULE]}, f"holds what was built: {check.MODULE}"),
        ({"sdist": [f"{check.CRATE}target/x"]}, "holds what was built"),
        ({"code": True}, "plazo-1-py3-none-any.whl uses compiled code"),
        ({"code": False}, "linux_x86_64.whl does not use compiled code"),
    ],
)
def test_each_fault_of_a_release_is_named(
    changes: dict[str, Any], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code: bool | None = changes.pop("code", None)
    monkeypatch.setattr(
        check, "_reads_with_code", lambda wheel: "abi3" in wheel.name if code is None else code
    )
    sources = sorted(check._sources(ROOT))
    assert SOURCE in sources
    if changes.get("sdist"):
        changes["sdist"] = [*sources, *changes["sdist"]]
    whole: dict[str, Any] = {"pure": [], "platform": [check.MODULE], "sdist": sources}
    files(tmp_path, **whole | changes)
    found = [*check.faults(tmp_path, ROOT)]
    assert any(fault in one for one in found), found
