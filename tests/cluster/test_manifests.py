"""What a real API server says of the manifests and of the chart: admission, schemas, defaults.

The operators' resources have the definitions of their own Go types.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import helm, kustomize
from tests.support.kustomize import Resource

from .control_plane import ControlPlane

KUBERNETES = Path(__file__).parents[2] / "deploy/kubernetes"
COMPONENTS = sorted(one.name for one in (KUBERNETES / "components").iterdir())
TRIAL = ("apply", "--server-side", "--dry-run=server", "--validate=strict")


@pytest.fixture(scope="session")
def server(plane: ControlPlane) -> ControlPlane:
    """With the namespace: a trial only pretends to make it, and then refuses what is in it."""
    plane.kubectl("apply", f"--filename={KUBERNETES / 'base/namespace.yaml'}")
    # The controller manager would make it.
    plane.kubectl("create", "serviceaccount", "default", "--namespace=plazo")
    return plane


@pytest.fixture
def everything(server: ControlPlane) -> list[Resource]:
    """The example with all components, as the server's own kubectl builds it."""
    made = list(yaml.safe_load_all(server.kubectl("kustomize", KUBERNETES / "example")))
    for name in COMPONENTS:
        files = (KUBERNETES / "components" / name).glob("[!k]*.yaml")
        made += [yaml.safe_load(file.read_text()) for file in files]
    return made


def listed(resources: list[Resource]) -> Resource:
    return {"apiVersion": "v1", "kind": "List", "items": resources}


def test_the_server_takes_the_example_and_all_components(
    server: ControlPlane, everything: list[Resource]
) -> None:
    said = server.kubectl(*TRIAL, "--filename=-", given=listed(everything))
    assert said.count("serverside-applied") == len(everything), said
    print(f"{len(everything)} resources of base, example and components accepted")


def test_the_server_takes_the_chart(server: ControlPlane) -> None:
    """Hooks included, and without a warning of the security standard."""
    program = helm.required("the server did not see the chart")
    for values in ({}, helm.EVERYTHING):
        made = list(yaml.safe_load_all(helm.template(program, values)))
        for one in made:
            one["metadata"]["namespace"] = "plazo"
        said = server.kubectl(*TRIAL, "--filename=-", given=listed(made))
        assert said.count("serverside-applied") == len(made), said
        print(f"{len(made)} resources of the chart accepted")


@pytest.mark.parametrize("kind", ["Deployment", "Job", "ScaledObject", "PodMonitor"])
def test_a_misspelt_field_is_refused(
    server: ControlPlane, everything: list[Resource], kind: str
) -> None:
    resource = next(one for one in everything if one["kind"] == kind)
    resource["spec"]["misspelt"] = 1
    said = server.kubectl(*TRIAL, "--filename=-", given=resource, fails=True)
    assert "misspelt" in said


def without_the_drop(container: dict[str, Any]) -> None:
    del container["securityContext"]["capabilities"]


def with_privileges(container: dict[str, Any]) -> None:
    container["securityContext"]["allowPrivilegeEscalation"] = True


@pytest.mark.parametrize("harm", [without_the_drop, with_privileges])
def test_pods_that_break_the_standard_are_refused(server: ControlPlane, harm: Any) -> None:
    """And ours, the same but for that, are not. Admission looks at pods, so pods are tried."""
    for resource in kustomize.build(KUBERNETES / "base"):
        for spec in kustomize.pods(resource):
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "trial", "namespace": "plazo"},
                "spec": spec,
            }
            server.kubectl(*TRIAL, "--filename=-", given=pod)
            broken = json.loads(json.dumps(pod))
            harm(broken["spec"]["containers"][0])
            said = server.kubectl(*TRIAL, "--filename=-", given=broken, fails=True)
            assert 'violates PodSecurity "restricted' in said
