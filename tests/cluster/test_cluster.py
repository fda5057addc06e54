"""A real cluster of one node runs what is shipped; the judge of the end-to-end tests finds nothing.

In the order of this file: each test goes on with the cluster as the one before left it.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
import yaml

from tests.end_to_end.world import World
from tests.support import helm, kustomize
from tests.support.waiting import eventually

from .control_plane import ControlPlane
from .installation import GRACE, Installation, settings, topics
from .node import Node, image_name
from .outside import Outside, execute, outside

KUBERNETES = Path(__file__).parents[2] / "deploy/kubernetes"
IMAGE = Path(os.environ.get("PLAZO_CLUSTER_IMAGE", "plazo.tar"))
FROZEN = 75.0

# All of it is published well before the deadline.
PLAIN = ("silent", "confirms in time", "cancels with the form", "handles without stock", "disputes")


@pytest.fixture(scope="session")
async def node(plane: ControlPlane) -> Node:
    started = Node(plane, os.environ["PLAZO_CLUSTER_GROUP"])
    await started.start(IMAGE)
    return started


@pytest.fixture(scope="session")
async def parts(node: Node) -> AsyncIterator[Outside]:
    async with outside() as started:
        yield started


@pytest.fixture(scope="session")
async def kustomized(plane: ControlPlane, parts: Outside, home: Path) -> Installation:
    """The example, with its four files filled in."""
    names = topics("kustomize")
    window = timedelta(seconds=5)
    shutil.copytree(KUBERNETES, home / "kubernetes")
    example = home / "kubernetes/example"
    given = settings(parts.pods_bootstrap, names, window)
    (example / "settings.env").write_text("".join(f"{k}={v}\n" for k, v in given.items()))
    for role, url in (await parts.database("kustomized")).items():
        name = role.removeprefix("plazo_")
        (example / f"{name}.env").write_text(f"plazo_database_url={url}\n")
    file = example / "kustomization.yaml"
    made = yaml.safe_load(file.read_text())
    repository, _, tag = image_name(IMAGE).rpartition(":")
    made["images"] = [{"name": "plazo", "newName": repository, "newTag": tag}]
    file.write_text(yaml.safe_dump(made))
    return Installation(plane, "plazo", names, parts.kafka.bootstrap_servers, window)


def told(what: str, began: float) -> None:
    print(f"{what}: {time.monotonic() - began:.0f} s")


async def test_one_command_sets_up_an_empty_cluster(
    kustomized: Installation, plane: ControlPlane, home: Path
) -> None:
    began = time.monotonic()
    plane.kubectl("apply", f"--kustomize={home / 'kubernetes/example'}")
    for job in ("migrate", "topics"):
        await plane.wait("Complete", "job", f"plazo-{job}", "--namespace=plazo", timeout=60)
        told(f"job plazo-{job} complete", began)
    await kustomized.all_ready(180)
    told("both workers ready", began)
    checked = kustomized.kubectl("exec", "deploy/plazo", "--", "plazo", "check")
    print(checked.strip().splitlines()[-1])


async def test_the_standard_is_in_force(kustomized: Installation) -> None:
    (workers,) = (
        one for one in kustomize.build(KUBERNETES / "base") if one["kind"] == "Deployment"
    )
    (spec,) = kustomize.pods(workers)
    del spec["containers"][0]["securityContext"]["capabilities"]
    broken = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "broken"}, "spec": spec}
    said = kustomized.kubectl("create", "--filename=-", given=broken, fails=True)
    assert 'violates PodSecurity "restricted' in said
    name = kustomized.ready()[0]
    status = kustomized.kubectl("exec", name, "--", "cat", "/proc/1/status")
    facts = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    assert facts["Uid"].split("\t")[0] == "10001"
    assert (int(facts["CapEff"], 16), facts["NoNewPrivs"], facts["Seccomp"]) == (0, "1", "2")
    kustomized.kubectl("exec", name, "--", "sh", "-c", "touch /tmp/x", fails=True)
    print("a copy without `drop: [ALL]` refused; 10001, no capability, no new privilege, seccomp")


async def test_workers_are_rolled_killed_and_evicted_under_load(
    kustomized: Installation, node: Node
) -> None:
    world = World(25, 1500, kustomized.topics, kustomized.window, GRACE, spread=60)
    world.idempotence = True
    async with kustomized.judged(world):
        await asyncio.sleep(3)
        began = time.monotonic()
        kustomized.kubectl("rollout", "restart", "deployment/plazo")
        kustomized.kubectl("rollout", "status", "deployment/plazo", "--timeout=120s", timeout=130)
        await kustomized.all_ready()
        told("rolling restart", began)
        before = kustomized.restarts()
        began = time.monotonic()
        node.kill("plazo", kustomized.ready()[0])
        await eventually(lambda: kustomized.restarts() == before + 1, 60, interval=0.5)
        await kustomized.all_ready()
        told("SIGKILL, and ready again", began)
        first, second = kustomized.ready()
        began = time.monotonic()
        assert await kustomized.evict(first) == "201"
        refused = await kustomized.evict(second)
        assert "disruption budget" in refused, refused
        await kustomized.all_ready()
        told("first eviction 201, second refused by the budget; ready again", began)


async def test_a_broken_broker_restarts_nobody(kustomized: Installation, parts: Outside) -> None:
    """Frozen for 75 s, longer than the liveness probe waits: not ready, alive, and right after."""
    kustomized.kubectl("scale", "deployment/plazo", "--replicas=2")
    await kustomized.all_ready()
    parts.kafka.pause()
    try:
        await eventually(lambda: not kustomized.ready(), FROZEN, interval=1)
        # A node may be drained meanwhile: nobody does any work.
        leaving = kustomized.pods()[0]["metadata"]["name"]
        assert await kustomized.evict(leaving) == "201"
        await asyncio.sleep(FROZEN)
        assert kustomized.restarts() == 0
    finally:
        parts.kafka.resume()
    began = time.monotonic()
    await kustomized.all_ready()
    assert kustomized.restarts() == 0
    told(f"broker frozen for {FROZEN:.0f} s: nobody restarted; ready again after", began)


async def test_retention_runs_by_its_own_role(kustomized: Installation, parts: Outside) -> None:
    """On orders that are made to look old; those that wait for a person stay."""
    url = parts.postgres.url_of("kustomized")
    for aged in (
        "UPDATE orders SET decided_at = decided_at - interval '100 days'",
        "UPDATE acts SET received_at = received_at - interval '100 days'",
    ):
        await execute(url, aged)
    kustomized.kubectl("create", "job", "--from=cronjob/plazo-forget", "forget-now")
    await kustomized.plane.wait("Complete", "job", "forget-now", "--namespace=plazo")
    said = kustomized.kubectl("logs", "job/forget-now").strip().splitlines()[-1]
    print(said)
    told = {name: int(number) for number, name in re.findall(r"(\d+) ([a-z ]+)", said)}
    assert told["looked at"] > 1000
    assert told["orders"] > told["looked at"] / 2
    connection = await asyncpg.connect(url)
    try:
        left = await connection.fetchval("SELECT count(*) FROM orders WHERE decided_at IS NOT NULL")
    finally:
        await connection.close()
    assert left <= told["looked at"] - told["orders"]
    await kustomized.stop()


@pytest.fixture(scope="session")
async def charted(plane: ControlPlane, parts: Outside) -> Installation:
    """A namespace with the secrets that the chart asks for."""
    plane.kubectl("create", "namespace", "charted")
    plane.kubectl("label", "namespace", "charted", "pod-security.kubernetes.io/enforce=restricted")
    for role, url in (await parts.database("charted")).items():
        name = {"plazo_worker": "plazo"}.get(role, role.replace("_", "-"))
        plane.kubectl("create", "secret", "generic", name, "--namespace=charted",
                      f"--from-literal=plazo_database_url={url}")  # fmt: skip
    return Installation(
        plane, "charted", topics("chart"), parts.kafka.bootstrap_servers, timedelta(seconds=10)
    )


def run_helm(charted: Installation, *words: str, values: dict[str, object] | None = None) -> str:
    program = helm.find()
    assert program is not None, "run `make helm` first"
    done = subprocess.run(
        [program, f"--kubeconfig={charted.plane.kubeconfig}", "--namespace=charted", *words],
        input=json.dumps(values or {}), capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + charted.kubectl("describe", "pods")[-2000:]
    return done.stdout


async def test_the_chart_installs_upgrades_and_goes(charted: Installation, parts: Outside) -> None:
    """With a broker that freezes while orders wait for their verdicts."""
    repository, _, tag = image_name(IMAGE).rpartition(":")
    given: dict[str, object] = {
        "image": {"repository": repository, "tag": tag},
        "settings": settings(parts.pods_bootstrap, charted.topics, charted.window),
        "podMonitor": {"enabled": True},
        "prometheusRule": {"enabled": True, "runbooks": "https://runbooks.example/plazo"},
    }
    chart = str(helm.CHART)
    began = time.monotonic()
    waits = ("plazo", chart, "--values=-", "--wait", "--timeout=5m")
    notes = run_helm(charted, "install", *waits, values=given)
    assert "-- plazo check" in notes
    assert "No alert is installed" not in notes
    told("helm install --wait: migrated, topics made, both workers ready", began)
    given["worker"] = {"annotations": {"upgraded": "yes"}}
    began = time.monotonic()
    run_helm(charted, "upgrade", *waits, values=given)
    await charted.all_ready()
    told("helm upgrade --wait", began)
    world = World(26, 500, charted.topics, charted.window, GRACE, spread=4, behaviours=PLAIN)
    world.idempotence = True
    async with charted.judged(world) as published:
        await published
        parts.kafka.pause()
        await asyncio.sleep(FROZEN)
        assert charted.restarts() == 0
        parts.kafka.resume()
        await charted.all_ready()
    run_helm(charted, "uninstall", "plazo", "--wait")
    left = charted.kubectl("get", "deployments,cronjobs,networkpolicies,poddisruptionbudgets")
    assert left == ""
