"""Runs the tests of this directory on a cluster of their own: ``python -m tests.cluster``.

``--manifests`` needs the API server alone and no root. Without it a whole node runs, with the image
of the archive ``--image``, or with one that is built first as ``make image`` builds it. What else
is given goes to pytest.

Network, mounts and processes are namespaces of their own: ports may be fixed, no address of this
machine is touched, and the kernel ends whatever is left when the tests end.

It ends with the status of pytest, and with 3 if it cannot run here.
"""

import argparse
import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.image import engine, steps
from tests.support import helm

from . import programs

_HERE = Path(__file__).parent
_GROUPS = Path("/sys/fs/cgroup")
# A kubelet sets them for the whole machine. We put them back.
_KERNEL = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
           "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes")  # fmt: skip
# What containerd and kubelet write outside of their directories.
_NODE_MOUNTS = "mount -t tmpfs plazo /run && mount -t tmpfs plazo /var/log && "


def main(arguments: list[str]) -> int:
    """Run them and return the status."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--manifests", action="store_true", help="the API server alone")
    parser.add_argument("--image", type=Path, help="the image plazo as an archive of Docker's form")
    chosen, more = parser.parse_known_args(arguments)
    node = not chosen.manifests
    if lacking := programs.missing(node=node):
        sys.stderr.write(f"NOT RUN: install {', '.join(lacking)}\n")
        return 3
    programs.build(node=node)
    if node:
        helm.build()
    tests = _HERE / ("test_cluster.py" if node else "test_manifests.py")
    words = [sys.executable, "-m", "pytest", "--capture=no", "-vv", "-p", "no:cacheprovider"]
    words += [str(tests), *more]
    if not node:
        return _unshared(words, user=os.geteuid() != 0)
    image = str(chosen.image.resolve() if chosen.image else _built_image())
    with _kernel_settings_kept(), _control_groups() as group:
        return _unshared(
            words, mounts=_NODE_MOUNTS, PLAZO_CLUSTER_GROUP=group, PLAZO_CLUSTER_IMAGE=image
        )


def _built_image() -> Path:
    """The archive of an image of this checkout, on a base of Debian packages."""
    tag, archive = f"plazo:{steps.version()}", programs.BUILT.parent / "cluster" / "plazo.tar"
    build = [sys.executable, "-m", "deploy.image", "--debian", "--tag", tag]
    subprocess.run(build, cwd=_HERE.parents[1], stdin=subprocess.DEVNULL, check=True)
    archive.parent.mkdir(exist_ok=True)
    archive.unlink(missing_ok=True)
    subprocess.run(engine.find().words("save", "--output", str(archive), tag), check=True)
    return archive


def _unshared(words: list[str], *, user: bool = False, mounts: str = "", **environment: str) -> int:
    command = ["unshare", "--net", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child"]
    command += ["--map-root-user"] if user else []
    # The shell stays the first process, which takes in orphans.
    command += ["sh", "-c", f'ip link set lo up && {mounts}"$@"; exit $?', "sh", *words]
    return subprocess.run(command, env=os.environ | environment, check=False).returncode


@contextmanager
def _kernel_settings_kept() -> Iterator[None]:
    files = [Path("/proc/sys") / name for name in _KERNEL]
    before = {file: file.read_text() for file in files if file.exists()}
    try:
        yield
    finally:
        for file, value in before.items():
            if file.read_text() != value:
                file.write_text(value)


@contextmanager
def _control_groups() -> Iterator[str]:
    """A group for all pods in each hierarchy, of version 1 or 2; removed at the end."""
    name = f"plazo-cluster-{os.getpid()}"
    roots = [_GROUPS] if (_GROUPS / "cgroup.controllers").exists() else list(_GROUPS.iterdir())
    groups = [one / name for one in roots if not one.is_symlink()]
    for group in groups:
        group.mkdir()
    try:
        yield name
    finally:
        for group in groups:
            for place, _, _ in os.walk(group, topdown=False):
                _remove(place)


def _remove(group: str, within: float = 20.0) -> None:
    """Remove a control group. The kernel ends the processes of a namespace in its own time."""
    give_up_at = time.monotonic() + within
    while True:
        try:
            return os.rmdir(group)
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > give_up_at:
                raise
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
