"""What stands in deploy/: it names only what exists, and says what to do about each alert."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import compose_spec
import kubernetes_validate
import pytest
import typer.main
import yaml

from deploy.kubernetes import generate as prometheus_rule
from worker import documentation
from worker.__main__ import app
from worker.observability.labels import Guard
from worker.operations.topics import PARTITIONS
from worker.settings import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
PYPROJECT = (DEPLOY.parent / "pyproject.toml").read_text("utf-8")
RULES = DEPLOY / "prometheus" / "plazo.rules.yaml"
RUNBOOKS = DEPLOY / "runbooks"
PAGES = sorted(RUNBOOKS.glob("P*.md"))
METRICS = {row.name for row in documentation.Metrics.documentation()}
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
]
BOARD = json.loads((DEPLOY / "grafana" / "plazo.json").read_text())
QUERIES = [t["expr"] for panel in BOARD["panels"] for t in panel.get("targets", ())]


def named(text: str) -> set[str]:
    """The metrics of ours that a text names, without what Prometheus adds."""
    found = re.findall(r"\bplazo_[a-z_]+", text)
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in found}


@pytest.mark.parametrize("file", [RULES, *PAGES], ids=lambda f: f.name)
def test_every_metric_of_rules_and_runbooks_exists(file: Path) -> None:
    text = file.read_text()
    # A page reads the database's URL from the secret, whose keys are settings in lower case.
    keys = set(re.findall(r"\.data\.(plazo_[a-z_]+)", text))
    assert keys <= {row[0].lower() for row in documentation.Settings.documentation()}
    assert named(text) - keys <= METRICS


def test_every_metric_of_the_dashboard_exists() -> None:
    assert named(" ".join(QUERIES)) <= METRICS


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_has_its_page(alert: dict[str, Any]) -> None:
    assert alert["annotations"]["runbook_url"].endswith(f"/{alert['alert']}.md")
    page = (RUNBOOKS / f"{alert['alert']}.md").read_text()
    heads = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert heads == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert all((RUNBOOKS / link).exists() for link in re.findall(r"\]\(([^)]+\.md)\)", page))


def test_every_page_has_its_alert() -> None:
    assert {file.stem for file in PAGES} == {alert["alert"] for alert in ALERTS}


def test_the_links_of_alerts_are_addresses() -> None:
    """An alert reaches a person far from this checkout."""
    made = yaml.safe_load((DEPLOY / "compose/prometheus.yaml").read_text())
    address = made["global"]["external_labels"]["runbooks"]
    assert re.fullmatch(r"https://\S+[^/]", address)
    for alert in ALERTS:
        assert "$externalLabels.runbooks" in alert["annotations"]["runbook_url"]


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.stem)
def test_every_page_says_what_to_type(file: Path) -> None:
    diagnosis = file.read_text().split("## Diagnosis")[1].split("## Mitigation")[0]
    assert re.search(r"^```(sh|promql|sql)$", diagnosis, re.MULTILINE)


def test_every_alert_is_tried() -> None:
    """With what fires it; that nothing else does is in the same file."""
    cases = yaml.safe_load((DEPLOY / "prometheus/plazo.rules.test.yaml").read_text())["tests"]
    told = json.dumps([[one.get("promql_expr_test"), one.get("alert_rule_test")] for one in cases])
    assert {alert["alert"] for alert in ALERTS} <= set(re.findall(r"\bPlazo\w+", told))


def test_every_event_of_the_log_that_a_page_names_is_logged() -> None:
    code = "".join(file.read_text() for file in (DEPLOY.parent / "worker").rglob("*.py"))
    pages = "".join(file.read_text() for file in RUNBOOKS.glob("*.md"))
    events = set(re.findall(r"`((?:lanes?|verdicts|relay|consumer|records)_[a-z_]+)`", pages))
    filters = re.findall(r"grep (?:-E )?'?([a-z_|]+)", pages)
    events |= {event for one in filters for event in one.split("|")}
    assert len(events) > 5
    assert [event for event in sorted(events) if f'"{event}"' not in code] == []


def test_kubectl_finds_what_the_pages_ask_it_for() -> None:
    pages = "".join(file.read_text() for file in RUNBOOKS.glob("*.md"))
    made = [yaml.safe_load(file.read_text()) for file in RESOURCES]
    there = {f"{one['kind'].lower()}/{one['metadata']['name']}" for one in made}
    asked = set(re.findall(r"kubectl -n plazo .*?\b(deploy|job)[/ ](plazo[a-z-]*)", pages))
    assert asked
    assert {f"{'deployment' if kind == 'deploy' else kind}/{name}" for kind, name in asked} <= there
    (label,) = set(re.findall(r"kubectl .* -l (\S+)", pages))
    name, _, value = label.partition("=")
    (deployment,) = (one for one in made if one["kind"] == "Deployment")
    assert deployment["spec"]["template"]["metadata"]["labels"][name] == value


def test_every_guard_has_an_alert() -> None:
    """Those that PlazoGuardHeld leaves out have one of their own."""
    held = next(alert["expr"] for alert in ALERTS if alert["alert"] == "PlazoGuardHeld")
    left_out = set(re.findall(r'reason!~"([^"]+)"', held)[0].split("|"))
    assert left_out == {
        Guard.MASS_CANCEL, Guard.SILENT_FEED, Guard.HALTED, Guard.FAILING, Guard.ASTRAY,
        Guard.REGISTRY, Guard.DECISIONS_SCHEMA,
    }  # fmt: skip


def test_the_dashboard_is_what_the_code_makes() -> None:
    made = runpy.run_path(str(DEPLOY / "grafana" / "generate.py"))["dashboard"]()
    assert json.loads(json.dumps(made)) == BOARD


# The rules of Grafana's dashboard-linter, as far as a dashboard of ours can break them.
EXPRESSIONS = [*QUERIES, *(one["expr"] for one in BOARD["annotations"]["list"])]
VARIABLES = {one["name"]: one for one in BOARD["templating"]["list"]}


def test_the_variables_select_several_cells_jobs_and_instances() -> None:
    # A series without a cell is of the only one; each has a job and an instance.
    for name, every in (("cell", ".*"), ("job", ".+"), ("instance", ".+")):
        variable = VARIABLES[name]
        assert (variable["type"], variable["datasource"]["uid"]) == ("query", "$datasource")
        assert variable["label"] == name.title()
        assert variable["multi"] is variable["includeAll"] is True
        assert variable["allValue"] == every
    assert VARIABLES["datasource"]["query"] == "prometheus"


@pytest.mark.parametrize("query", EXPRESSIONS)
def test_every_selector_follows_the_variables(query: str) -> None:
    """A plain ``=`` would find nothing as soon as two jobs are chosen."""
    assert not re.search(r"\bplazo_[a-z_]+(?![a-z_{])", query), "a metric without a selector"
    for inside in re.findall(r"\bplazo_[a-z_]+\{([^}]*)\}", query):
        chosen = set(inside.split(", "))
        assert {'cell=~"$cell"', 'job=~"$job"'} <= chosen
        assert 'instance=~"$instance"' in chosen or query not in QUERIES


@pytest.mark.parametrize("query", QUERIES)
def test_counters_are_rates_over_an_interval_that_follows_the_screen(query: str) -> None:
    for metric, after in re.findall(r"(plazo_[a-z_]+)\{[^}]*\}(\[[^]]*\])?", query):
        counts = metric.endswith(("_total", "_bucket", "_count", "_sum"))
        assert after == ("[$__rate_interval]" if counts else "")
        assert not counts or f"rate({metric}{{" in query


def test_panels_name_their_data_source() -> None:
    for panel in BOARD["panels"]:
        assert panel["title"]
        for one in (panel, *panel.get("targets", ())):
            assert panel["type"] == "row" or one["datasource"]["uid"] == "$datasource"


def test_panels_explain_themselves_and_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y)
                 for x in range(place["w"]) for y in range(place["h"])}  # fmt: skip
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["fieldConfig"]["defaults"]["unit"]


@pytest.mark.parametrize(
    "arguments", [["check", "rules", RULES.name], ["test", "rules", "plazo.rules.test.yaml"]]
)
def test_the_rules_do_what_they_say(arguments: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert not os.environ.get("CI"), "CI needs promtool, of Debian's package prometheus"
        pytest.skip("promtool is not installed: the alert rules were not tried")
    done = subprocess.run(
        [promtool, *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


# tests/image builds and runs the image. No cluster is at hand: this is all that was checked of it.

RESOURCES = sorted((DEPLOY / "kubernetes" / "base").glob("[!k]*.yaml"))
PODS = {
    "deployment.yaml": ("spec", "template"),
    "migrate.yaml": ("spec", "template"),
    "topics.yaml": ("spec", "template"),
    "forget.yaml": ("spec", "jobTemplate", "spec", "template"),
}


def test_the_image_is_as_the_linter_wants_it() -> None:
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [program, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_image_holds_nothing_whose_hash_is_not_locked() -> None:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    installed = re.findall(r"bin/python install (.*?)(?:&&|;|\n)|pip install (.*?)(?:&&|\n)", text)
    assert len(installed) == 4
    for options in map("".join, installed):
        ours = "--no-deps /wheels/" in options
        assert ours or re.search(
            r"--require-hashes --only-binary :all:\s+-r \"?/src/deploy/requirements/", options
        )
    # The tool that builds is the one that was tested, and all that is copied gets through.
    tool = r"^hatchling==[0-9.]+"
    locked = [
        re.findall(tool, (DEPLOY / f"requirements/{name}.txt").read_text(), re.MULTILINE)
        for name in ("build", "dev")
    ]
    assert locked[0] == locked[1] != []


def test_only_what_is_listed_gets_into_a_build() -> None:
    """A checkout may hold keys, data and other environments."""
    first, *lines = (DEPLOY.parent / ".dockerignore").read_text().splitlines()
    assert first == "*"
    let_through = [line.removeprefix("!") for line in lines if line.startswith("!")]
    assert all((DEPLOY.parent / name).exists() for name in let_through)
    text = (DEPLOY / "Dockerfile").read_text()
    used = re.findall(r"/src/(deploy/\S+?\.(?:py|txt))", text)
    used += re.findall(r'^"(deploy/\S+)" = "worker/assets', PYPROJECT, re.MULTILINE)
    used += re.findall(r'^path = "(deploy/\S+)"$', PYPROJECT, re.MULTILINE)  # the build hook
    assert len(used) > 8
    used = [one.replace("${EXTRAS:+-}", "-").replace("${EXTRAS}", "otel") for one in used]
    assert {*used, "worker", "schemas", "pyproject.toml", "README.md", "LICENSE"} == {*let_through}


@pytest.mark.parametrize("file", RESOURCES, ids=lambda file: file.name)
def test_kubernetes_knows_every_field(file: Path) -> None:
    listed = yaml.safe_load(file.with_name("kustomization.yaml").read_text())["resources"]
    assert file.name in listed
    for resource in yaml.safe_load_all(file.read_text()):
        found = yaml.safe_load(json.dumps(resource))
        kubernetes_validate.validate(found, "1.34", strict=True)


@pytest.mark.parametrize("name", PODS)
def test_pods_are_what_restricted_security_asks_for(name: str) -> None:
    pod: Any = yaml.safe_load((DEPLOY / "kubernetes/base" / name).read_text())
    for step in PODS[name]:
        pod = pod[step]
    pod = pod["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        inside = container["securityContext"]
        assert inside["allowPrivilegeEscalation"] is False
        assert inside["readOnlyRootFilesystem"] is True
        assert inside["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


def called() -> list[Any]:
    """What containers are told to do, of the compose file and of the manifests."""
    compose = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())["services"]
    found = [
        pytest.param(one["command"], id=f"compose: {name}")
        for name, one in compose.items()
        if one.get("image") == "plazo" and "command" in one
    ]
    for name, steps in PODS.items():
        pod: Any = yaml.safe_load((DEPLOY / "kubernetes/base" / name).read_text())
        for step in (*steps, "spec"):
            pod = pod[step]
        found += [pytest.param(one["args"], id=name) for one in pod["containers"]]
    return found


@pytest.mark.parametrize("arguments", called())
def test_containers_are_told_what_the_command_knows(arguments: list[str]) -> None:
    command = typer.main.get_command(app)
    words = list(arguments)
    while words and words[0] in getattr(command, "commands", ()):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
    assert not hasattr(command, "commands"), arguments
    assert command.make_context("plazo", words)


def test_a_broker_that_is_away_kills_no_pod() -> None:
    """And a drain may end before it is cut short."""
    made = yaml.safe_load((DEPLOY / "kubernetes/base/deployment.yaml").read_text())
    pod = made["spec"]["template"]["spec"]
    probe = pod["containers"][0]["livenessProbe"]["httpGet"]["path"]
    assert probe == "/livez"
    drain = Settings.model_construct().drain_timeout.total_seconds()
    assert pod["terminationGracePeriodSeconds"] > drain + 8


def labels(*steps: str, of: str) -> dict[str, str]:
    """Those of the pods that a file makes, with what kustomize adds to all."""
    found: Any = yaml.safe_load((DEPLOY / "kubernetes/base" / of).read_text())
    for step in steps:
        found = found.get(step, {})
    return {"app.kubernetes.io/name": "plazo", **found.get("metadata", {}).get("labels", {})}


COMPONENTS = sorted((DEPLOY / "kubernetes/components").glob("*/[!k]*.yaml"))


def test_what_is_for_workers_does_not_select_jobs() -> None:
    """A budget over pods of jobs, which have no scale, allows no eviction at all."""
    selectors = {}
    for file in (*RESOURCES, *COMPONENTS):
        made = yaml.safe_load(file.read_text())
        if made["kind"] in ("PodDisruptionBudget", "PodMonitor", "Deployment"):
            selectors[made["kind"]] = made["spec"]["selector"]["matchLabels"]
    assert len(selectors) == 3
    for selector in selectors.values():
        assert selector.items() <= labels(*PODS["deployment.yaml"], of="deployment.yaml").items()
        for job in PODS.keys() - {"deployment.yaml"}:
            assert not selector.items() <= labels(*PODS[job], of=job).items()


@pytest.mark.parametrize("file", COMPONENTS, ids=lambda file: file.parent.name)
def test_components_are_whole(file: Path) -> None:
    made = yaml.safe_load(file.read_text())
    assert made["metadata"]["namespace"] == "plazo", "the base's namespace does not reach it"
    kustomization = yaml.safe_load(file.with_name("kustomization.yaml").read_text())
    assert kustomization["kind"] == "Component"
    assert kustomization["resources"] == [file.name]


def test_more_workers_come_and_go_within_bounds() -> None:
    scaled = yaml.safe_load((DEPLOY / "kubernetes/components/keda/scaled-object.yaml").read_text())
    (trigger,) = scaled["spec"]["triggers"]
    assert named(trigger["metadata"]["query"]) <= METRICS
    assert 2 <= scaled["spec"]["minReplicaCount"] <= scaled["spec"]["maxReplicaCount"] <= PARTITIONS
    # The job that the query asks for is the one that the monitor makes.
    monitor = yaml.safe_load(
        (DEPLOY / "kubernetes/components/pod-monitor/pod-monitor.yaml").read_text()
    )
    pods = labels(*PODS["deployment.yaml"], of="deployment.yaml")
    job = pods[monitor["spec"]["jobLabel"]]
    assert f'job="{job}"' in trigger["metadata"]["query"]


def test_the_rule_of_the_operator_is_what_the_code_makes() -> None:
    made = yaml.safe_load(prometheus_rule.FILE.read_text())
    assert made == prometheus_rule.prometheus_rule()
    assert made["spec"] == yaml.safe_load(RULES.read_text())


def test_programs_of_the_machine_reach_the_kafka_of_the_compose_file() -> None:
    """A client is sent to the address that its listener advertises, so the port has to be open."""
    kafka = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())["services"]["kafka"]
    listens, advertised = (
        dict(re.findall(r"(\w+)://([^,]*)", kafka["environment"][name]))
        for name in ("KAFKA_LISTENERS", "KAFKA_ADVERTISED_LISTENERS")
    )
    kinds = kafka["environment"]["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    assert {kind.partition(":")[0] for kind in kinds} == {*listens}
    (opened,) = kafka["ports"]
    host, outside, inside = opened.split(":")
    assert (advertised["HOST"], listens["HOST"]) == (f"{host}:{outside}", f":{inside}")
    between = advertised[kafka["environment"]["KAFKA_INTER_BROKER_LISTENER_NAME"]]
    assert between == f"kafka{listens['PLAINTEXT']}"


def test_the_compose_file_is_whole() -> None:
    file = DEPLOY / "compose" / "compose.yaml"
    made = yaml.safe_load(file.read_text())
    compose_spec.ComposeSpecification.model_validate(made)
    for service in made["services"].values():
        assert set(service.get("depends_on", ())) <= made["services"].keys()
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            there = source in made["volumes"] or (file.parent / source).exists()
            assert there, source
    # The board lets the reader in.
    head = file.read_text().partition("name: plazo")[0]
    assert f"#token={made['x-plazo']['environment']['PLAZO_BOARD_TOKEN']}" in head
