"""TLS, identities and the least rights, on a Kafka that asks for all of them."""

import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trustme

from tests.support.market import Market
from tests.support.processes import WorkerProcess
from tests.support.secure_kafka import SecureKafka
from tests.support.topics import Topics, create_fresh_topics
from tests.support.waiting import eventually
from worker.storage.migrate import migrate

pytestmark = pytest.mark.apache_kafka

SILENT = "auto-cancel stock-not-validated"
PAGE = Path(__file__).parents[2] / "docs/how-to/security.md"
PASSWORD = "s3cret/pa$$word"
NewWorker = Callable[..., WorkerProcess]


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
async def secure(
    ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SecureKafka]:
    broker = SecureKafka(ca, tmp_path_factory.mktemp("broker"))
    async with broker:
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            broker.add_scram_user("plazo", PASSWORD, mechanism)
            broker.add_scram_user("stranger", PASSWORD, mechanism)
        yield broker


@pytest.fixture
async def place(secure: SecureKafka, database: str) -> tuple[Topics, str]:
    """Topics and a group on which `plazo` has the rights that the page lists."""
    await migrate(database)
    topics = await create_fresh_topics(secure.bootstrap_servers)
    group = f"{topics.order_created}.group"
    secure.allow("plazo", least_rights(topics, group))
    return topics, group


def least_rights(topics: Topics, group: str) -> list[tuple[str, str, str]]:
    """The table of the page, with names in the place of roles."""
    names = {
        "order-created": topics.order_created,
        "order-status-changed": topics.order_status_changed,
        "decisions": topics.decisions,
        "dead letters": topics.dead_letters,
        "the group": group,
    }
    rights = []
    table = PAGE.read_text().partition("<!-- acls -->")[2].partition("<!-- /acls -->")[0]
    for line in table.strip().splitlines()[2:]:
        resource, role, operations = (cell.strip() for cell in line.strip("|").split("|")[:3])
        rights += [
            (resource.lower(), names[role], one.strip("` ")) for one in operations.split(",")
        ]
    assert len(rights) >= 6
    return rights


def identity(ca: trustme.CA, directory: Path, name: str) -> dict[str, str]:
    ca_file, own = directory / "ca.pem", directory / f"{name}.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    # With no name to serve under the certificate would hold an empty list, which Java refuses.
    issued = ca.issue_cert(f"{name}.test", common_name=name)
    issued.private_key_and_cert_chain_pem.write_to_path(str(own))
    return {"kafka_ca_file": str(ca_file), "kafka_cert_file": str(own)}


def token(user: str, directory: Path) -> str:
    def part(content: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    now = int(time.time())
    claims = part({"sub": user, "iat": now, "exp": now + 3600})
    file = directory / "token"
    file.write_text(f"{part({'alg': 'none'})}.{claims}.\n")
    return str(file)


async def decides(worker: WorkerProcess, secure: SecureKafka, topics: Topics) -> None:
    """A whole order passes: read, decided, published; and a refused record too."""
    market = Market(secure.bootstrap_servers, topics)
    await worker.start().wait_ready()
    await market.publish(market.order("a"), market.order("b"), market.act("b", "start-handling"))
    await market.publish((topics.order_created, "c", b"not JSON"))
    await market.told(f"a {SILENT}")
    await eventually(market.dead_letters)
    # The second life reads the tails of both output topics.
    assert await worker.sigterm() == 0
    await worker.start().wait_ready()
    await market.publish(market.order("d"))
    await market.told(f"a {SILENT}", f"d {SILENT}")
    assert await worker.sigterm() == 0
    assert PASSWORD not in worker.output


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"])
async def test_sasl_over_tls_with_the_least_rights(
    mechanism: str, new_worker: NewWorker, secure: SecureKafka, ca: trustme.CA,
    place: tuple[Topics, str], tmp_path: Path,
) -> None:  # fmt: skip
    topics, group = place
    if mechanism == "OAUTHBEARER":
        proof = {"kafka_sasl_token_file": token("plazo", tmp_path)}
    else:
        # The password comes from a file, as Docker and Kubernetes mount them.
        secrets = tmp_path / "secrets"
        secrets.mkdir()
        password = "s3cret/plain" if mechanism == "PLAIN" else PASSWORD
        (secrets / "plazo_kafka_sasl_password").write_text(password + "\n")
        proof = {"kafka_sasl_username": "plazo", "secrets_dir": str(secrets)}
    worker = new_worker(
        topics, kafka_bootstrap_servers=secure.over_sasl, kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism=mechanism, kafka_idempotence="True", group_id=group,
        kafka_ca_file=identity(ca, tmp_path, "unused")["kafka_ca_file"],
        stock_window="PT2S", grace="PT0S", **proof,
    )  # fmt: skip
    await decides(worker, secure, topics)


async def test_mutual_tls_with_the_least_rights(
    new_worker: NewWorker, secure: SecureKafka, ca: trustme.CA, place: tuple[Topics, str],
    tmp_path: Path,
) -> None:  # fmt: skip
    topics, group = place
    worker = new_worker(
        topics, kafka_bootstrap_servers=secure.over_tls, kafka_security_protocol="SSL",
        kafka_idempotence="True", group_id=group, stock_window="PT2S", grace="PT0S",
        **identity(ca, tmp_path, "plazo"),
    )  # fmt: skip
    await decides(worker, secure, topics)


@pytest.mark.parametrize("fault", ["password", "authority", "certificate", "right", "plain"])
async def test_who_is_not_known_or_not_allowed_waits_and_says_so(
    fault: str, new_worker: NewWorker, secure: SecureKafka, ca: trustme.CA,
    place: tuple[Topics, str], tmp_path: Path,
) -> None:  # fmt: skip
    topics, group = place
    variables = {
        "kafka_bootstrap_servers": secure.over_sasl,
        "kafka_security_protocol": "SASL_SSL",
        "kafka_ca_file": identity(ca, tmp_path, "unused")["kafka_ca_file"],
        "kafka_sasl_username": "plazo",
        "kafka_sasl_password": PASSWORD,
    }
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    stranger = identity(trustme.CA(), elsewhere, "plazo")
    if fault == "password":
        variables["kafka_sasl_password"] = "another"
    elif fault == "authority":  # somebody else signed the broker's certificate
        variables["kafka_ca_file"] = stranger["kafka_ca_file"]
    elif fault == "certificate":  # somebody else signed ours
        variables = {
            "kafka_bootstrap_servers": secure.over_tls,
            "kafka_security_protocol": "SSL",
            "kafka_ca_file": variables["kafka_ca_file"],
            "kafka_cert_file": stranger["kafka_cert_file"],
        }
    elif fault == "right":
        variables["kafka_sasl_username"] = "stranger"
    else:  # without encryption, where the broker wants it
        del variables["kafka_ca_file"]
        variables["kafka_security_protocol"] = "SASL_PLAINTEXT"
    worker = new_worker(topics, group_id=group, **variables).start()

    async def says_so() -> bool:
        status, body = await worker.get("/readyz")
        return status == 503 and '"kafka: ' in body

    await eventually(says_so, 60, "not ready, for Kafka")
    assert (await worker.get("/livez"))[0] == 200
    assert await worker.sigterm() == 0
    assert PASSWORD not in worker.output
    assert "PRIVATE KEY" not in worker.output


async def checked(
    new_worker: NewWorker, secure: SecureKafka, ca: trustme.CA, topics: Topics, group: str,
    user: str | None, directory: Path,
) -> dict[str, tuple[str, str]]:  # fmt: skip
    """What `plazo check` says, as a user; ``None`` comes by the listener that forbids nothing."""
    variables = {"group_id": group, "http_port": "0"}
    if user is not None:
        variables |= {
            "kafka_bootstrap_servers": secure.over_sasl,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_ca_file": identity(ca, directory, "unused")["kafka_ca_file"],
            "kafka_sasl_username": user,
            "kafka_sasl_password": PASSWORD,
        }
    else:
        variables["kafka_bootstrap_servers"] = secure.bootstrap_servers
    command = new_worker(topics, arguments=("check", "--json"), **variables)
    assert await command.start().wait() in (0, 1), command.output
    found = json.loads(command.stdout_file.read_text())["checks"]
    return {one["name"]: (one["status"], one["finding"]) for one in found}


async def test_check_names_each_right_that_is_missing(
    new_worker: NewWorker, secure: SecureKafka, ca: trustme.CA, place: tuple[Topics, str],
    tmp_path: Path,
) -> None:  # fmt: skip
    topics, group = place
    market = Market(secure.bootstrap_servers, topics)
    await market.publish(market.order("a"), market.act("a", "start-handling"))
    # A user with nothing: every topic is hidden, and so is the group.
    found = await checked(new_worker, secure, ca, topics, group, "stranger", tmp_path)
    hidden = " It may not exist either."
    lacks = {name: finding for name, (_, finding) in found.items() if name.startswith("rights on")}
    assert lacks == {
        f"rights on topic {topics.order_created}": f"we lack READ.{hidden}",
        f"rights on topic {topics.order_status_changed}": f"we lack READ.{hidden}",
        f"rights on topic {topics.decisions}": f"we lack READ and WRITE.{hidden}",
        f"rights on topic {topics.dead_letters}": f"we lack READ and WRITE.{hidden}",
        f"rights on group {group}": "we lack READ.",
    }
    # A part of the rights: what can be read is still looked at.
    secure.allow(
        "stranger",
        [
            ("topic", topics.order_created, "READ"),
            ("topic", topics.order_status_changed, "DESCRIBE"),
            ("topic", topics.decisions, "READ"),
            ("topic", topics.dead_letters, "WRITE"),
            ("group", group, "DESCRIBE"),
        ],
    )
    found = await checked(new_worker, secure, ca, topics, group, "stranger", tmp_path)
    lacks = {name: finding for name, (_, finding) in found.items() if name.startswith("rights on")}
    assert lacks == {
        f"rights on topic {topics.order_status_changed}": "we lack READ.",
        f"rights on topic {topics.decisions}": "we lack WRITE.",
        f"rights on topic {topics.dead_letters}": "we lack READ.",
        f"rights on group {group}": "we lack READ.",
    }
    assert found[f"partitioner of {topics.order_created}"][0] == "ok"
    # The rights of the page are enough, and who may do all gets no line.
    found = await checked(new_worker, secure, ca, topics, group, "plazo", tmp_path)
    assert found["rights in Kafka"] == ("ok", "we may do all that a worker does")
    assert not [one for one in found.values() if one[0] == "fault"]
    found = await checked(new_worker, secure, ca, topics, group, None, tmp_path)
    assert not [name for name in found if "rights on" in name or name == "rights in Kafka"]
