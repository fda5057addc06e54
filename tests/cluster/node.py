"""The node: containerd and kubelet, and a bridge on which pods reach Kafka and Postgres."""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import yaml

from .control_plane import ControlPlane, succeeds
from .programs import BUILT, CATATONIT, CNI

BRIDGE = "10.177.0.1"
_SUBNET = "10.177.0.0/24"
_PAUSE = "docker.io/library/plazo-pause:1"


class Node:
    """One node, ready for pods with the images of some archives."""

    def __init__(self, plane: ControlPlane, group: str) -> None:
        self._plane = plane
        self._group = group  # of the pods, in each hierarchy of control groups
        self._home = plane.directory / "node"
        self._socket = self._home / "containerd.sock"

    async def start(self, *archives: Path) -> None:
        """Return when the node is Ready."""
        self._home.mkdir()
        for command in (
            ("ip", "link", "add", "plazo0", "type", "bridge"),
            ("ip", "address", "add", f"{BRIDGE}/24", "dev", "plazo0"),
            ("ip", "link", "set", "plazo0", "up"),
        ):
            assert succeeds(*command), command
        containerd, kubelet = self._configure()
        program = shutil.which("containerd")
        assert program is not None
        daemon = self._plane.run(program, "--config", str(containerd))
        await daemon.wait_until(self._is_serving, 60)
        pause = self._home / "pause.tar"
        _pause_image(pause)
        for archive in (pause, *archives):
            self.ctr("images", "import", str(archive))
        agent = self._plane.run(
            BUILT / "kubelet", f"--config={kubelet}", f"--kubeconfig={self._plane.kubeconfig}",
            f"--root-dir={self._home / 'kubelet'}", "--hostname-override=node",
            f"--node-ip={BRIDGE}",
        )  # fmt: skip
        await agent.wait_until(self._is_ready, 120)

    def ctr(self, *arguments: str) -> str:
        """Ask containerd."""
        words = ["ctr", f"--address={self._socket}", "--namespace=k8s.io", *arguments]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kill(self, namespace: str, pod: str) -> None:
        """SIGKILL to the first process of a pod's container."""
        status = self._plane.get("pod", pod, f"--namespace={namespace}")["status"]
        container = status["containerStatuses"][0]["containerID"].removeprefix("containerd://")
        self.ctr("tasks", "kill", "--signal=SIGKILL", container)

    async def _is_serving(self) -> bool:
        return succeeds("ctr", f"--address={self._socket}", "version")

    async def _is_ready(self) -> bool:
        return self._plane.holds("Ready", "nodes")

    def _configure(self) -> tuple[Path, Path]:
        networks = self._home / "networks"
        networks.mkdir()
        ranges = [[{"subnet": _SUBNET, "rangeStart": "10.177.0.10", "gateway": BRIDGE}]]
        bridge = {
            "cniVersion": "0.4.0", "name": "plazo", "type": "bridge", "bridge": "plazo0",
            "isGateway": True,
            "ipam": {"type": "host-local", "dataDir": str(self._home / "addresses"),
                     "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]},
        }  # fmt: skip
        (networks / "plazo.conf").write_text(json.dumps(bridge))
        containerd = self._home / "containerd.toml"
        containerd.write_text(
            f"""version = 2
root = "{self._home}/images"
state = "/run/containerd"
[grpc]
address = "{self._socket}"
[plugins."io.containerd.internal.v1.opt"]
path = "{self._home}/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{_PAUSE}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI}"
conf_dir = "{networks}"
"""
        )
        kubelet = self._home / "kubelet.yaml"
        kubelet.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "kubelet.config.k8s.io/v1beta1",
                    "kind": "KubeletConfiguration",
                    "containerRuntimeEndpoint": f"unix://{self._socket}",
                    # Nobody else is in this network.
                    "authentication": {
                        "anonymous": {"enabled": True},
                        "webhook": {"enabled": False},
                    },
                    "authorization": {"mode": "AlwaysAllow"},
                    "cgroupDriver": "cgroupfs",
                    "cgroupRoot": f"/{self._group}",
                    "failCgroupV1": False,
                    "failSwapOn": False,
                    "oomScoreAdj": 0,
                    "podLogsDir": str(self._home / "logs"),
                    "evictionHard": {"memory.available": "100Mi"},
                    "imageGCHighThresholdPercent": 100,
                    # The machine of the tests has other things to do; a small node it stays.
                    "maxPods": 20,
                }
            )
        )
        return containerd, kubelet


def image_name(archive: Path) -> str:
    """The name under which containerd has the image of an archive."""
    with tarfile.open(archive) as image:
        manifest = image.extractfile("manifest.json")
        assert manifest is not None
        name: str = json.load(manifest)[0]["RepoTags"][0]
    return name if "/" in name else f"docker.io/library/{name}"


def _pause_image(archive: Path) -> None:
    """The image of a pod's first process, which holds its namespaces: catatonit alone."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as inside:
        inside.add(CATATONIT, "catatonit", filter=_plain)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": ["/catatonit", "-P"], "User": "65535:65535"},
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"],
            },
        }
    ).encode()
    manifest = [{"Config": "config.json", "RepoTags": [_PAUSE], "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as image:
        for name, content in (
            ("layer.tar", layer.getvalue()),
            ("config.json", config),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            image.addfile(entry, io.BytesIO(content))


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
