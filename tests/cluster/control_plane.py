"""A real API server over a real etcd; with ``whole``, controller manager and scheduler as well.

All ports are fixed: a cluster has a network namespace of its own, see ``__main__``.
"""

import json
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.waiting import eventually
from worker.dev.process import ChildProcess

from .programs import BUILT

_ETCD = "http://127.0.0.1:2379"
_PEER = "http://127.0.0.1:2380"
_SERVER = "https://127.0.0.1:6443"


def succeeds(*command: str | Path) -> bool:
    """Whether a command ends well, within half a minute."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False
    )
    return done.returncode == 0


class ControlPlane:
    """Starts in about ten seconds; logs are in ``directory``."""

    def __init__(self, directory: Path, *, whole: bool) -> None:
        self.directory = directory
        self.kubeconfig = directory / "kubeconfig"
        self._whole = whole
        self._token = secrets.token_urlsafe(24)
        self._processes: list[ChildProcess] = []

    async def __aenter__(self) -> Self:
        keys = self.directory / "certificates"
        keys.mkdir()
        key = rsa.generate_private_key(65537, 2048)
        (keys / "accounts.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        (keys / "tokens.csv").write_text(f"{self._token},admin,admin,system:masters\n")
        self.kubeconfig.write_text(yaml.safe_dump(self._config()))
        etcd = shutil.which("etcd")
        assert etcd is not None
        self.run(
            etcd, f"--data-dir={self.directory / 'etcd'}", "--unsafe-no-fsync",
            f"--listen-client-urls={_ETCD}", f"--advertise-client-urls={_ETCD}",
            f"--listen-peer-urls={_PEER}", f"--initial-advertise-peer-urls={_PEER}",
            f"--initial-cluster=default={_PEER}",
        )  # fmt: skip
        server = self.run(
            BUILT / "kube-apiserver", f"--etcd-servers={_ETCD}", f"--cert-dir={keys}",
            "--secure-port=6443", "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
            "--service-cluster-ip-range=10.178.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={keys / 'accounts.key'}",
            f"--service-account-signing-key-file={keys / 'accounts.key'}",
            f"--token-auth-file={keys / 'tokens.csv'}", "--authorization-mode=RBAC",
            "--allow-privileged=true", "--endpoint-reconciler-type=none",
            "--kubelet-preferred-address-types=InternalIP",
        )  # fmt: skip
        await server.wait_until(self._is_ready, 120)
        if self._whole:
            common = (f"--kubeconfig={self.kubeconfig}", "--leader-elect=false")
            self.run(
                BUILT / "kube-controller-manager", *common,
                f"--service-account-private-key-file={keys / 'accounts.key'}",
            )  # fmt: skip
            self.run(BUILT / "kube-scheduler", *common)
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            await process.kill()

    def run(self, program: Path | str, *arguments: str) -> ChildProcess:
        """Start one more part of the cluster; it ends with it."""
        log = self.directory / f"{Path(program).name}.log"
        self._processes.append(ChildProcess([program, *arguments], log=log))
        return self._processes[-1]

    def kubectl(
        self, *arguments: str | Path, given: Any = None, fails: bool = False, timeout: float = 120
    ) -> str:
        """What kubectl prints. ``given`` goes to its standard input as JSON.

        With ``fails`` it has to fail, and the answer is what it says on stderr.
        """
        done = subprocess.run(
            [BUILT / "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments],
            input=None if given is None else json.dumps(given),
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        words = " ".join(map(str, arguments))
        assert (done.returncode != 0) is fails, f"{words}: {done.stdout}{done.stderr}"
        return done.stderr if fails else done.stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        """A resource, or a list of resources."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "--output=json"))
        return found

    def holds(self, condition: str, *what: str) -> bool:
        """Whether ``condition`` holds of all ``what``, such as ``Ready``, and there are any."""
        found = self.get(*what)
        resources = found.get("items", [found])
        return bool(resources) and all(
            any(
                one["type"] == condition and one["status"] == "True"
                for one in resource.get("status", {}).get("conditions") or ()
            )
            for resource in resources
        )

    async def wait(self, condition: str, *what: str, timeout: float = 120) -> None:
        """Until it holds."""
        try:
            await eventually(lambda: self.holds(condition, *what), timeout, interval=0.5)
        except AssertionError:
            raise AssertionError(
                f"{' '.join(what)}: not {condition}\n{self.kubectl('describe', *what)[-3000:]}"
            ) from None

    async def _is_ready(self) -> bool:
        return succeeds(
            BUILT / "kubectl", f"--kubeconfig={self.kubeconfig}", "get", "--raw=/readyz"
        )

    def _config(self) -> dict[str, Any]:
        # The API server made its own certificate; nobody else is in this network.
        cluster = {"server": _SERVER, "insecure-skip-tls-verify": True}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "plazo", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": self._token}}],
            "contexts": [{"name": "plazo", "context": {"cluster": "plazo", "user": "admin"}}],
            "current-context": "plazo",
        }
