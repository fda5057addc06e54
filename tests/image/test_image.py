"""The image does its work as confined as the pages want it, on a real Kafka and Postgres."""

import json
import uuid
from collections.abc import Callable

import pytest

from deploy.image import steps
from deploy.image.engine import Engine
from tests.image.conftest import Call
from tests.image.containers import MEMORY, Container, called, confined
from tests.support.market import Market
from tests.support.parts import Kafka
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker import __version__
from worker.dev.process import free_port
from worker.storage.migrations import HEAD

MOST_MEGABYTES = 90
WIDTH = 3


@pytest.fixture
def topics() -> Topics:
    """Names that no other test uses; the image creates them itself."""
    prefix = uuid.uuid4().hex[:8]
    names = [f"{prefix}.{name}" for name in ("created", "changed", "decisions", "letters")]
    return Topics(*names, widths=dict(zip(names, (WIDTH, WIDTH, WIDTH, 1), strict=True)))


@pytest.fixture
def settings(kafka: Kafka, database: str, topics: Topics) -> dict[str, str]:
    named = topics.environment().items()
    return {
        "kafka_bootstrap_servers": kafka.bootstrap_servers,
        "kafka_idempotence": str(kafka.idempotence),
        "database_url": database,
        "group_id": topics.order_created,
        "stock_window": "PT6S",
        "grace": "PT1S",
        **{name.removeprefix("PLAZO_").lower(): value for name, value in named},
    }


async def test_it_decides_three_orders_and_drains(
    plazo: Call,
    start: Callable[..., Container],
    kafka: Kafka,
    topics: Topics,
    settings: dict[str, str],
) -> None:
    assert f"schema is at {HEAD}" in plazo("migrate", **settings)
    width = ("--partitions", str(WIDTH), "--replication-factor", "1")
    assert topics.decisions in plazo("topics", "create", *width, **settings)
    assert "faults 0" in plazo("check", **settings)

    port = free_port()
    worker = start("run", **settings, http_port=str(port))
    await worker.wait_ready(port)
    market = Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)
    await market.publish(
        market.order("kept"),
        market.order("silent"),
        market.order("garbled"),
        market.act("kept", "start-handling"),
        (topics.order_status_changed, "garbled", b'{"status": "start-hand'),
    )
    decided = await market.told(
        "silent auto-cancel stock-not-validated", "garbled escalation unreadable-evidence"
    )
    assert all(one.sequence >= 1 for one in decided)
    assert len(await market.dead_letters()) == 1

    def is_kept() -> bool:
        told = json.loads(plazo("explain", "kept", "--json", **settings))
        return bool(told["order"]["outcome"] == "kept")

    # Its lane may come to it a moment later than the others came to theirs.
    await eventually(is_kept)

    process = worker.process()
    assert process["Uid"].split() == ["10001"] * 4
    assert process["Gid"].split() == ["10001"] * 4
    assert int(process["CapEff"], 16) == int(process["CapBnd"], 16) == 0
    assert (process["NoNewPrivs"], process["Seccomp"]) == ("1", "2")
    peak = int(process["VmHWM"].split()[0]) // 1024
    print(f"peak of the worker's memory: {peak} MiB of {MEMORY // 2**20}")

    assert worker.stop(40) == 0, worker.output()
    assert not worker.state().get("OOMKilled")
    assert "Traceback" not in worker.output()
    (line,) = (one for one in worker.output().splitlines() if '"worker_started"' in one)
    assert json.loads(line)["compiled"] is True


def test_it_writes_nowhere(inside: Call) -> None:
    attempt = "touch $d/x 2>/dev/null && echo $d"
    script = f"for d in / /tmp /opt/plazo /var/tmp /run; do {attempt}; done; true"
    assert inside("sh", "-c", script) == ""


def test_it_is_labelled(engine: Engine, image: str, plazo: Call) -> None:
    (found,) = json.loads(called(engine, "inspect", image))
    of = found["Config"]
    assert of["User"] == "10001:10001"
    assert of["Entrypoint"] == ["plazo"]  # no shell in between, which would keep SIGTERM
    assert of["Cmd"] == ["run"]
    labels = {name.removeprefix("org.opencontainers.image."): text
              for name, text in of["Labels"].items()}  # fmt: skip
    assert labels["version"] == __version__ == plazo("--version").strip()
    assert labels["revision"] == steps.revision()
    assert labels["licenses"] == "Apache-2.0"


def test_it_is_small_and_holds_nothing_that_installs(inside: Call) -> None:
    size = int(inside("du", "-sm", "/opt/plazo").split()[0])
    print(f"/opt/plazo: {size} MB")
    assert size < MOST_MEGABYTES
    names = " -o ".join(f"-name {one}" for one in ("pip", "'pip-*'", "ensurepip", "setuptools"))
    found = inside("sh", "-c", f"find / -xdev 2>/dev/null \\( {names} \\); true")
    assert found == ""


def test_it_holds_one_copy_of_bytecode_of_each_module(inside: Call) -> None:
    """One that is taken as it is (flag 1): no start compares it with its source."""
    code = (
        "import importlib.util, pathlib\n"
        "home = pathlib.Path('/opt/plazo/lib')\n"
        "modules = [*home.rglob('*.py')]\n"
        "wanted = {importlib.util.cache_from_source(str(one)) for one in modules}\n"
        "there = {str(one): one.read_bytes()[4:8] for one in home.rglob('*.pyc')}\n"
        "print(len(modules) > 500, {*there.values()}, *sorted(wanted ^ there.keys()))\n"
    )
    assert inside("/opt/plazo/bin/python", "-c", code).strip() == f"True {{{bytes([1, 0, 0, 0])}}}"


def test_no_secret_of_the_build_is_in_it(inside: Call) -> None:
    assert steps.found_secrets(), "this machine has none, so the test shows nothing"
    there = "for f in /etc/pip.conf /run/secrets/*; do test -s $f && echo $f; done; true"
    assert inside("sh", "-c", there) == ""


def test_it_holds_its_bill_of_materials(inside: Call) -> None:
    bill = json.loads(inside("cat", "/opt/plazo/plazo.cdx.json"))
    named = {one["name"]: one["version"] for one in bill["components"]}
    code = (
        "from importlib.metadata import distributions\n"
        "for one in distributions(): print(one.name, one.version)\n"
    )
    lines = inside("/opt/plazo/bin/python", "-c", code).splitlines()
    there = {name.lower().replace("_", "-"): version for name, version in map(str.split, lines)}
    assert there.pop("plazo") == bill["metadata"]["component"]["version"] == __version__
    assert named == there
    assert all(one["hashes"] for one in bill["components"])


def test_it_traces_if_built_to(
    engine: Engine, bases: tuple[str, str], tags: list[str], inside: Call
) -> None:
    """Traces are a choice: the plain image has none of it."""
    code = "import opentelemetry.exporter.otlp.proto.http, opentelemetry.sdk, worker"
    assert "No module named" in inside("/opt/plazo/bin/python", "-c", code, status=1)
    tags.append(f"localhost/plazo-otel:{uuid.uuid4().hex[:12]}")
    # The last stage copies what stands in this one.
    more = ("--target", "build")
    base, rust = bases
    steps.build(engine, tags[-1], base=base, rust=rust, extras="otel", more=more)
    options = (*confined(engine, {}), "--entrypoint", "/opt/plazo/bin/python")
    assert called(engine, "run", "--rm", *options, tags[-1], "-c", code) == ""
