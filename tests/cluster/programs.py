"""The programs of a cluster: what Debian has, and what is built from its Go modules.

`python -m tests.cluster.programs` builds them into ``.cache``. On a busy machine the API server
alone took fourteen minutes of a core, all of them some twenty.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "1.34.4"
_ROOT = Path(__file__).parents[2]
_GO = Path(__file__).parent / "go"
BUILT = _ROOT / ".cache" / f"kubernetes-{VERSION}"
CRDS = BUILT / "crds"
CNI = Path("/usr/lib/cni")
CATATONIT = Path("/usr/bin/catatonit")

CONTROL_PLANE = ("kube-apiserver", "kubectl")
NODE = ("kube-controller-manager", "kube-scheduler", "kubelet")
_STAMP = "k8s.io/component-base/version"
_MAJOR, _MINOR, _ = VERSION.split(".")
_FLAGS = (
    f"-s -w -X {_STAMP}.gitVersion=v{VERSION} "
    f"-X {_STAMP}.gitMajor={_MAJOR} -X {_STAMP}.gitMinor={_MINOR}"
)
# The operators whose resources our components are, by the packages of their Go types.
_OPERATORS = (
    "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1",
    "github.com/kedacore/keda/v2/apis/keda/v1alpha1",
)
_OURS = ("podmonitors", "prometheusrules", "scaledobjects")

_DEBIAN = {
    "etcd": "etcd-server",
    "ip": "iproute2",
    "unshare": "util-linux",
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
}


def missing(*, node: bool) -> list[str]:
    """What must be installed before: Debian's packages, and Go unless all is built."""
    found = [
        package
        for program, package in _DEBIAN.items()
        if (node or program == "etcd") and shutil.which(program) is None
    ]
    if node:
        found += [] if (CNI / "bridge").exists() else ["containernetworking-plugins"]
        found += [] if CATATONIT.exists() else ["catatonit"]
    wanted = CONTROL_PLANE + (NODE if node else ())
    if not all((BUILT / one).is_file() for one in (*wanted, "crds/done")):
        found += [] if shutil.which("go") else ["golang-go (1.25 or later)"]
    if node and os.geteuid() != 0:
        found.append("the rights of root")
    return sorted(set(found))


def build(*, node: bool) -> None:
    """Build what is not there yet.

    Raises:
        subprocess.CalledProcessError: Go failed, and has said why.
    """
    BUILT.mkdir(parents=True, exist_ok=True)
    for name in CONTROL_PLANE + (NODE if node else ()):
        if not (BUILT / name).is_file():
            print(f"building {name} {VERSION}", flush=True)
            with tempfile.TemporaryDirectory(dir=BUILT) as directory:
                _go("kubernetes", "build", "-trimpath", "-ldflags", _FLAGS, "-o", f"{directory}/",
                    f"k8s.io/kubernetes/cmd/{name}")  # fmt: skip
                (Path(directory) / name).rename(BUILT / name)
    if not (CRDS / "done").is_file():
        print("making the operators' resource definitions", flush=True)
        with tempfile.TemporaryDirectory(dir=BUILT) as directory:
            _go("operators", "run", "sigs.k8s.io/controller-tools/cmd/controller-gen",
                "crd:crdVersions=v1,allowDangerousTypes=true",
                f"paths={';'.join(_OPERATORS)}", f"output:crd:dir={directory}")  # fmt: skip
            CRDS.mkdir(exist_ok=True)
            for made in Path(directory).iterdir():
                if made.stem.rpartition("_")[2] in _OURS:
                    made.rename(CRDS / made.name)
        (CRDS / "done").touch()


def _go(module: str, *arguments: str) -> None:
    subprocess.run(["go", *arguments], cwd=_GO / module, stdin=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    build(node="--control-plane" not in sys.argv)
    print(f"the programs of Kubernetes {VERSION} are in {BUILT}")
