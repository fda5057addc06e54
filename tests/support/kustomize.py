"""What ``kubectl kustomize deploy/kubernetes/base`` makes, for tests without that program.

It knows the transformers that the base uses: namespace, labels with selectors, and images. A test
holds it against the real program where that is installed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Resource = dict[str, Any]

# Where labels go that are in selectors, too: kustomize's field specifications, as far as used.
_POD = ("template", "metadata", "labels")
_LABELLED: dict[str, tuple[tuple[str, ...], ...]] = {
    "Deployment": (("selector", "matchLabels"), _POD),
    "Job": (_POD,),
    "CronJob": (("jobTemplate", "metadata", "labels"), ("jobTemplate", "spec", *_POD)),
    "NetworkPolicy": (("podSelector", "matchLabels"),),
    "PodDisruptionBudget": (("selector", "matchLabels"),),
    "Namespace": (),
}


def build(directory: Path) -> list[Resource]:
    """The resources of a kustomization without overlays, in the order of its list."""
    kustomization = yaml.safe_load((directory / "kustomization.yaml").read_text("utf-8"))
    known = {"apiVersion", "kind", "namespace", "labels", "resources", "images"}
    assert set(kustomization) == known, "teach tests/support/kustomize.py the other fields"
    (labels,) = kustomization["labels"]
    images = {one["name"]: f"{one['newName']}:{one['newTag']}" for one in kustomization["images"]}
    made = []
    for name in kustomization["resources"]:
        for resource in yaml.safe_load_all((directory / name).read_text("utf-8")):
            if resource["kind"] != "Namespace":
                resource["metadata"]["namespace"] = kustomization["namespace"]
            _label(resource, labels["pairs"])
            for pod in pods(resource):
                for container in pod["containers"]:
                    container["image"] = images[container["image"]]
            made.append(resource)
    return made


def pods(resource: Resource) -> Iterator[Resource]:
    """The specification of the pods that a resource makes: none or one."""
    spec = resource.get("spec", {})
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    if "template" in spec:
        yield spec["template"]["spec"]


def _label(resource: Resource, pairs: dict[str, str]) -> None:
    resource["metadata"].setdefault("labels", {}).update(pairs)
    for path in _LABELLED[resource["kind"]]:
        place = resource["spec"]
        for step in path:
            place = place.setdefault(step, {})
        place.update(pairs)
    for pod in pods(resource):
        for constraint in pod.get("topologySpreadConstraints", ()):
            constraint["labelSelector"]["matchLabels"].update(pairs)
