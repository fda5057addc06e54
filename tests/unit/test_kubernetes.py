"""The manifests and the chart: one installation, told twice."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft7Validator

from deploy.kubernetes import generate
from tests.support import helm, kustomize
from tests.support.kustomize import Resource

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
CHART = DEPLOY / "helm/plazo"
BASE = kustomize.build(KUBERNETES / "base")
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())

# What helm adds to what it makes, and kustomize does not.
HELMS_LABELS = ("app.kubernetes.io/instance", "app.kubernetes.io/version",
                "app.kubernetes.io/managed-by", "helm.sh/chart")  # fmt: skip


def the_same(resource: Any) -> Any:
    """A resource without what only tells which tool made it."""
    if isinstance(resource, list):
        return [the_same(one) for one in resource]
    if not isinstance(resource, dict):
        return resource
    return {
        name: the_same(value)
        for name, value in resource.items()
        if name not in HELMS_LABELS and not (name == "annotations" and set(value) <= HOOKS)
    }


HOOKS = {"helm.sh/hook", "helm.sh/hook-weight", "helm.sh/hook-delete-policy"}


def by_name(resources: list[Resource]) -> dict[tuple[str, str], Resource]:
    return {(one["kind"], one["metadata"]["name"]): one for one in resources}


@pytest.fixture(scope="session")
def helm_program() -> Path:
    return helm.required("the chart was not rendered")


def kubectl() -> list[str]:
    """A program that builds kustomizations."""
    for words in (["kubectl", "kustomize"], ["kustomize", "build"]):
        if shutil.which(words[0]):
            done = subprocess.run([*words, KUBERNETES / "base"], capture_output=True, check=False)
            if done.returncode == 0:  # that of Debian is too old
                return words
    pytest.skip("neither kubectl nor kustomize is installed: the manifests were not put together")


def test_we_know_what_kustomize_makes_of_the_base() -> None:
    done = subprocess.run(
        [*kubectl(), KUBERNETES / "base"], capture_output=True, text=True, check=True
    )
    assert by_name(list(yaml.safe_load_all(done.stdout))) == by_name(BASE)


def test_components_join_the_base(tmp_path: Path) -> None:
    here = os.path.relpath(KUBERNETES, tmp_path.resolve())
    parts = sorted(one.name for one in (KUBERNETES / "components").iterdir())
    (tmp_path / "kustomization.yaml").write_text(
        json.dumps({"resources": [f"{here}/base"],
                    "components": [f"{here}/components/{one}" for one in parts]})
    )  # fmt: skip
    done = subprocess.run([*kubectl(), tmp_path], capture_output=True, text=True, check=True)
    made = list(yaml.safe_load_all(done.stdout))
    assert len(made) == len(BASE) + len(parts)
    for resource in made:
        if "monitoring" not in resource["apiVersion"] and "keda" not in resource["apiVersion"]:
            kubernetes_validate.validate(resource, "1.34", strict=True)


def test_the_example_is_whole() -> None:
    """One command: the namespace, what the pods need, and the base under the name of your image."""
    done = subprocess.run(
        [*kubectl(), KUBERNETES / "example"], capture_output=True, text=True, check=True
    )
    made = list(yaml.safe_load_all(done.stdout))
    assert made[0]["kind"] == "Namespace"
    there = {name for kind, name in by_name(made) if kind == "Secret"}
    wanted = set()
    for resource in made:
        for pod in kustomize.pods(resource):
            wanted |= {volume["secret"]["secretName"] for volume in pod["volumes"]}
            assert pod["containers"][0]["image"].startswith("registry.internal/plazo:")
    assert there == wanted
    assert ("ConfigMap", "plazo") in by_name(made)


def test_the_chart_makes_what_kustomize_makes() -> None:
    """Except for the namespace, which helm makes itself."""
    rendered = by_name(list(yaml.safe_load_all(helm.GOLDEN.read_text())))
    base = by_name([one for one in BASE if one["kind"] != "Namespace"])
    for one in base.values():
        del one["metadata"]["namespace"]
    assert the_same(rendered) == base


def test_the_stored_output_is_of_this_chart() -> None:
    """Also where helm is missing: `make helm` renders a changed chart anew."""
    assert helm.digest() in helm.GOLDEN.read_text().partition("\n")[0]


def test_the_stored_output_is_what_the_chart_makes(helm_program: Path) -> None:
    assert helm.golden(helm_program) == helm.GOLDEN.read_text()


def test_the_chart_passes_the_linter(helm_program: Path) -> None:
    done = subprocess.run(
        [helm_program, "lint", "--strict", "--kube-version", helm.KUBERNETES, CHART],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_chart_with_everything_on_it(helm_program: Path) -> None:
    """All components, and every value that has no effect by default."""
    made = by_name(list(yaml.safe_load_all(helm.template(helm_program, helm.EVERYTHING))))
    components = {
        file.parent.name: yaml.safe_load(file.read_text())
        for file in (KUBERNETES / "components").glob("*/[!k]*.yaml")
    }
    for component in components.values():
        one = made[component["kind"], "plazo"]
        spec, other = the_same(one["spec"]), component["spec"]
        if component["kind"] == "PodMonitor":
            # With the instance as the job, two releases are two jobs.
            assert spec.pop("jobLabel") == "app.kubernetes.io/instance"
            (endpoint,) = spec["podMetricsEndpoints"]
            (relabeling,) = endpoint.pop("relabelings")
            assert relabeling == {"targetLabel": "cell", "replacement": "cell_a"}
            other.pop("jobLabel")
            other["selector"]["matchLabels"]["app.kubernetes.io/name"] = "plazo"
        if component["kind"] == "PrometheusRule":
            text = json.dumps(spec)
            assert "externalLabels" not in text
            assert "https://runbooks.example/plazo/PlazoAbsent.md" in text
            continue
        assert spec == other
    for key, resource in made.items():
        if "coreos" not in resource["apiVersion"] and "keda" not in resource["apiVersion"]:
            kubernetes_validate.validate(resource, "1.34", strict=True)
        assert key[0] != "Deployment" or "replicas" not in resource["spec"], "KEDA sets them"
    (pod,) = kustomize.pods(made["Deployment", "plazo"])
    assert {"name": "PLAZO_GRACE", "value": "PT1M"} in pod["containers"][0]["env"]
    assert pod["containers"][0]["image"] == "registry.internal/plazo@sha256:" + "0" * 64
    assert pod["nodeSelector"] == {"disk": "fast"}
    assert len(pod["volumes"]) == len(pod["containers"][0]["volumeMounts"]) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"worker": {"replicas": 0}},
        {"settings": {"PLAZO_MAX_POLL_RECORDS": 20000000}},
        {"settings": {"GRACE": "PT1M"}},
        {"forgett": {}},
        {"worker": {"resources": {"requests": {"cpu": "1"}}}},
        {"prometheusRule": {"runbooks": "deploy/runbooks"}},
    ],
    ids=json.dumps,
)
def test_the_schema_refuses_values_that_cannot_be_meant(wrong: dict[str, Any]) -> None:
    Draft7Validator.check_schema(SCHEMA)
    validator = Draft7Validator(SCHEMA)
    assert validator.is_valid(VALUES)
    assert not validator.is_valid(wrong)


def test_the_schema_knows_every_value() -> None:
    """And every value is one that somebody may set: a comment stands before it or its section."""
    assert set(SCHEMA["properties"]) == {*VALUES, "global"}
    for name, value in VALUES.items():
        known = SCHEMA["properties"][name]
        if isinstance(value, dict) and known.get("additionalProperties") is False:
            assert set(value) == set(known["properties"]), name


def test_chart_image_and_program_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    (image,) = {
        container["image"]
        for resource in BASE
        for pod in kustomize.pods(resource)
        for container in pod["containers"]
    }
    assert chart["version"] == chart["appVersion"] == image.rpartition(":")[2]
    project = (DEPLOY.parent / "pyproject.toml").read_text()
    assert f'version = "{chart["version"]}"' in project


def test_the_rules_of_the_chart_are_those_of_prometheus() -> None:
    assert generate.CHART_RULES.read_text() == generate.RULES.read_text()


def test_an_installation_fits_a_small_node() -> None:
    """Two workers, the nightly job and a job of an upgrade on two cores, and room for the node."""
    cores = 0.0
    for resource in BASE:
        for pod in kustomize.pods(resource):
            asked = pod["containers"][0]["resources"]["requests"]["cpu"]
            number = int(asked[:-1]) / 1000 if asked.endswith("m") else int(asked)
            cores += number * resource["spec"].get("replicas", 1)
    assert cores <= 1.5
