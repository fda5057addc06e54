"""The program helm, which renders the chart.

`python -m tests.support.helm` (`make helm`) builds it from its Go module, which takes minutes, and
stores what the chart makes of its default values. Tests without helm read that; its first line
tells of which chart it is.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

VERSION = "v3.22.0"
# For want of a server to ask.
KUBERNETES = "1.34"
_ROOT = Path(__file__).parents[2]
CHART = _ROOT / "deploy/helm/plazo"
_RULES = CHART / "files/plazo.rules.yaml"
GOLDEN = _ROOT / "tests/unit/helm.golden.yaml"
_BUILT = _ROOT / ".cache" / "helm" / f"helm-{VERSION}"

# Every part of the chart, and a value for whatever is empty by default.
EVERYTHING: dict[str, Any] = {
    "image": {"repository": "registry.internal/plazo@sha256:" + "0" * 64, "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "login"}],
    "settings": {"PLAZO_GRACE": "PT1M"},
    "worker": {
        "annotations": {"a": "b"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "marketplace", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "priorityClassName": "high",
        "volumes": [{"name": "policy", "configMap": {"name": "policy"}}],
        "volumeMounts": [{"name": "policy", "mountPath": "/etc/plazo"}],
    },
    "podMonitor": {"enabled": True, "cell": "cell_a", "labels": {"release": "prometheus"}},
    "prometheusRule": {
        "enabled": True,
        "labels": {"release": "prometheus"},
        "runbooks": "https://runbooks.example/plazo",
    },
    "keda": {"enabled": True},
}


def find() -> Path | None:
    """That of the cache, or one of version 3 in the path; ``None`` without either."""
    if _BUILT.is_file():
        return _BUILT
    there = shutil.which("helm")
    if there is None:
        return None
    told = subprocess.run(
        [there, "version", "--short"], capture_output=True, text=True, check=False
    )
    return Path(there) if told.stdout.startswith("v3.") else None


def required(otherwise: str) -> Path:
    """The program, for a test; without it the test is skipped."""
    program = find()
    if program is None:
        pytest.skip(f"helm is not here, `make helm` builds it: {otherwise}")
    return program


def digest() -> str:
    """Of all files of the chart, with their names; but for the rules, which are off by default."""
    whole = hashlib.sha256()
    for file in sorted(one for one in CHART.rglob("*") if one.is_file() and one != _RULES):
        whole.update(f"{file.relative_to(CHART)} {file.stat().st_size}\n".encode())
        whole.update(file.read_bytes())
    return whole.hexdigest()


def golden(program: Path) -> str:
    """What the chart makes of its default values, and of which chart that is."""
    return f"# `make helm` made it of the chart {digest()}\n{template(program)}"


def template(program: Path, values: dict[str, Any] | None = None) -> str:
    """What the chart makes, hooks included, as the release ``plazo``."""
    done = subprocess.run(
        [program, "template", "plazo", CHART, "--namespace", "plazo", "--values", "-",
         "--kube-version", KUBERNETES],
        input=json.dumps(values or {}), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def build() -> Path:
    """Build it unless it is there.

    Raises:
        OSError: Go is not installed.
        subprocess.CalledProcessError: it cannot be built; Go has said why.
    """
    if not _BUILT.is_file():
        _BUILT.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_BUILT.parent) as directory:
            subprocess.run(
                ["go", "install", "-trimpath", "-ldflags", "-s -w",
                 f"helm.sh/helm/v3/cmd/helm@{VERSION}"],
                env=os.environ | {"GOBIN": directory}, stdin=subprocess.DEVNULL, check=True,
            )  # fmt: skip
            (Path(directory) / "helm").rename(_BUILT)
    return _BUILT


if __name__ == "__main__":
    built = build()
    GOLDEN.write_text(golden(built), "utf-8")
    print(f"{built} rendered {GOLDEN}")
