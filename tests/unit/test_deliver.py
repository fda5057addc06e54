"""The parts of `plazo deliver` that need no broker."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook as StandardWebhook
from typer.testing import CliRunner

from worker.__main__ import app
from worker.deliver.again import FileNotReadable, deliver_again
from worker.deliver.answers import Meaning, meaning_of, wait_wanted
from worker.deliver.dead_letters import DeadLetterFile, Failure, FileNotWritable
from worker.deliver.gate import Gate
from worker.deliver.receivers import ReceiverInvalid, receivers
from worker.deliver.sender import Sender
from worker.deliver.webhook import SecretInvalid, signed, signers, webhook
from worker.deliver.window import Window
from worker.observability.metrics import DeliverMetrics
from worker.records import Record
from worker.settings import Settings

NOW = datetime.now(UTC)
SECRET = "whsec_" + base64.b64encode(b"x" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"y" * 32).decode()
SETTINGS = Settings.model_construct()
HEADERS = (
    ("ce_id", b"6f1c"), ("ce_type", b"marketplace.order.escalation.v1"),
    ("ce_partitionkey", 'ñ "1%'.encode()), ("ce_source", b"/plazo/x\r\nevil: 1"),
    ("traceparent", b"00-1-2-01"),
)  # fmt: skip


def record(offset: int = 0, partition: int = 0, value: bytes = b'{"a": "\xc3\xb1"}') -> Record:
    return Record("t", partition, offset, 1_000 + offset, b"o", value, HEADERS)


# Receivers.


def test_receivers_and_types_belong_together_by_their_order() -> None:
    one, two = receivers(
        ["erp=https://erp.example/a?b=c", "desk=https://desk.example/"],
        ["auto-cancel, decision-revoked", "all"],
        f"{SECRET} desk={OTHER} erp={OTHER}",
        insecure=False,
    )
    assert (one.name, one.url, one.group("g")) == ("erp", "https://erp.example/a?b=c", "g-erp")
    assert one.wants("marketplace.order.auto-cancel.v1")
    assert not one.wants("marketplace.order.escalation.v1")
    assert two.wants("marketplace.order.to-come.v1")
    assert one.secrets == (SECRET, OTHER)
    assert one.shown == "https://erp.example"
    (only,) = receivers(["https://x.example"], [], SECRET, insecure=False)
    assert only.group("g") == "g"


@pytest.mark.parametrize(
    ("to", "types", "secrets", "why"),
    [
        (["http://erp.example/"], [], SECRET, "needs https"),
        (["http://127.0.0.1.example/"], [], SECRET, "needs https"),
        (["ftp://erp.example/"], [], SECRET, "takes an address"),
        (["https:///x"], [], SECRET, "takes an address"),
        (["https://a.example:99999/"], [], SECRET, "takes an address"),
        (["https://ana:hush@erp.example/"], [], SECRET, "no user name or password"),
        (["https://a.example", "https://b.example"], [], SECRET, "a name each"),
        (["a=https://a.example", "b=https://b.example", "c=https://c.example"],
         ["all", "escalation"], SECRET, "give --types once"),
        (["https://a.example"], ["cancel"], SECRET, "no type cancel; there are auto-cancel"),
        (["https://a.example"], [], "", "set PLAZO_DELIVER_SECRET"),
        (["a=https://a.example"], [], f"b={SECRET}", "no secret for the receiver a"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_receiver_is_refused(
    to: list[str], types: list[str], secrets: str, why: str
) -> None:
    with pytest.raises(ReceiverInvalid, match=why) as refused:
        receivers(to, types, secrets, insecure=False)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1:80", "localhost", "[::1]:8080", "127.8.8.8"])
def test_this_machine_needs_no_https(host: str) -> None:
    assert receivers([f"http://{host}/"], [], SECRET, insecure=False)
    assert receivers(["http://erp.example/"], [], SECRET, insecure=True)


def test_the_command_refuses_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLAZO_DELIVER_SECRET", raising=False)
    refused = CliRunner().invoke(app, ["deliver", "--to", "https://a.example/"])
    assert isinstance(refused.exception, ReceiverInvalid)


# Signature and headers.


def test_each_secret_signs_and_the_library_verifies() -> None:
    one = webhook(record())
    assert one is not None
    # By the clock of this moment: the library refuses a signature of five minutes ago.
    headers = signed(one, signers([SECRET, OTHER]), datetime.now(UTC))
    for secret in (SECRET, OTHER):
        assert StandardWebhook(secret).verify(one.body, headers) == {"a": "ñ"}
    assert headers["webhook-id"] == headers["ce-id"] == "6f1c"


def test_attributes_are_escaped_as_cloudevents_want_them() -> None:
    one = webhook(record())
    assert one is not None
    assert one.attributes["ce-partitionkey"] == "%C3%B1%20%221%25"
    assert one.attributes["ce-source"] == "/plazo/x%0D%0Aevil:%201"
    assert "traceparent" not in one.attributes


@pytest.mark.parametrize("secret", ["whsec_c2hvcnQ=", "hunter2", "whsec_***"])
def test_a_weak_secret_is_refused_and_not_quoted(secret: str) -> None:
    with pytest.raises(SecretInvalid) as refused:
        signers([secret])
    assert secret not in str(refused.value)


@pytest.mark.parametrize(
    "broken",
    [
        record(value=b"\xff"), record(value=b""), record()._replace(value=None),
        record(value=b"\0\0\0\0\7Hsome avro"),
        record()._replace(headers=HEADERS[1:]),
        record()._replace(headers=(("ce_id", b"a\nb"), *HEADERS[1:])),
    ],
)  # fmt: skip
def test_a_record_that_is_no_decision_is_told_apart(broken: Record) -> None:
    assert webhook(broken) is None


# Answers.


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (200, Meaning.TAKEN), (204, Meaning.TAKEN), (301, Meaning.AGAIN), (307, Meaning.AGAIN),
        (400, Meaning.REFUSED), (401, Meaning.REFUSED), (410, Meaning.REFUSED),
        (408, Meaning.AGAIN), (425, Meaning.AGAIN), (429, Meaning.AGAIN),
        (500, Meaning.AGAIN), (503, Meaning.AGAIN), (100, Meaning.AGAIN),
    ],
)  # fmt: skip
def test_meaning_of_a_status(status: int, meaning: Meaning) -> None:
    assert meaning_of(status) is meaning


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("", 0), ("7", 7), ("999999999", 3600), ("-1", 0), ("soon", 0), ("١", 0), ("9" * 5000, 0),
        ((NOW + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 90),
        ((NOW - timedelta(days=1)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 0),
        ("Mon, 01 Jan 2024 00:00:00 -0000", 0),
    ],
    ids=range(10),  # two of them are of today
)  # fmt: skip
def test_the_wait_that_a_receiver_asks_for(told: str, seconds: float) -> None:
    assert wait_wanted({"Retry-After": told}, NOW) == pytest.approx(seconds, abs=1)


# What may be committed.


def test_an_offset_is_committed_once_all_before_it_are_finished() -> None:
    window = Window()
    records = [record(offset) for offset in (5, 6, 9)]  # offsets may leap
    for one in (*records, record(3, partition=1)):
        window.add(one)
    window.finish(records[1])
    assert window.positions() == {0: 5, 1: 3}
    assert window.oldest() == 1_003
    window.finish(records[0])
    assert window.positions() == {0: 9, 1: 3}
    window.finish(records[2])
    assert window.positions() == {0: 10, 1: 3}
    assert window.records == 1


async def test_a_closed_gate_waits_for_those_inside_and_lets_nobody_in() -> None:
    allowed = False
    gate = Gate(1, lambda: allowed)
    passed: list[int] = []
    leave = asyncio.Event()

    async def go(number: int) -> None:
        async with gate.passed():
            passed.append(number)
            await leave.wait()

    tasks = [asyncio.create_task(go(number)) for number in range(3)]
    await asyncio.sleep(0)
    assert passed == []
    allowed = True
    gate.look()
    await asyncio.sleep(0.01)
    assert passed == [0]  # one place
    closing = asyncio.create_task(gate.close(10))
    await asyncio.sleep(0)
    assert not closing.done()
    leave.set()
    await closing
    await asyncio.sleep(0.01)
    assert passed == [0]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# Dead letters, and once more.


class Hook:
    """A receiver with a status and headers of its own."""

    def __init__(self, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.status, self.headers = status, headers or {}
        self.asked: list[str] = []

    async def __aenter__(self) -> str:
        self._runner = web.ServerRunner(web.Server(self._take), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.BaseRequest) -> web.Response:
        StandardWebhook(SECRET).verify(await request.read(), dict(request.headers))
        self.asked.append(request.headers["webhook-id"])
        return web.Response(status=self.status, headers=self.headers)


async def test_a_dead_letter_is_delivered_again_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    file = DeadLetterFile(path)
    file.check()
    await file.write(record(), Failure("default", "status 410", 1), NOW)
    await file.write(record(value=b"\xff"), Failure("default", "not-a-decision", 0), NOW)
    await file.write(record(), Failure("another", "status 410", 1), NOW)
    hook = Hook()
    async with hook as url:
        found = await deliver_again(path, receivers([url], [], SECRET, insecure=False), SETTINGS)
    assert hook.asked == ["6f1c"]
    assert [(one.line, one.error) for one in found] == [(1, ""), (2, "not-a-decision")]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["{}\n", "nothing\n", "[1]\n", '{"receiver": "a", "id": 1}\n'])
async def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text)
    with pytest.raises(FileNotReadable, match="a line is no dead letter"):
        await deliver_again(tmp_path / "x", [], SETTINGS)
    with pytest.raises(FileNotReadable, match="No such file"):
        await deliver_again(tmp_path / "y", [], SETTINGS)


def test_a_file_that_cannot_be_written_is_found_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotWritable, match="No such file or directory"):
        DeadLetterFile(tmp_path / "no" / "file").check()


async def attempt(hook: Hook, **settings: Any) -> tuple[Sender, Any]:
    async with hook as url:
        (receiver,) = receivers([url], [], SECRET, insecure=False)
        one = webhook(record())
        assert one is not None
        metrics = DeliverMetrics([receiver.name])
        sender = Sender(receiver, signers([SECRET]), SETTINGS.model_copy(update=settings), metrics)
        await sender.open()
        try:
            return sender, await sender.attempt(one)
        finally:
            await sender.close()


async def test_a_receiver_that_asks_for_a_pause_gets_it_for_all_requests() -> None:
    sender, answer = await attempt(Hook(429, {"Retry-After": "120"}))
    assert (answer.meaning, answer.wait) == (Meaning.AGAIN, 120)
    assert 100 < sender.asked_pause <= 120
    sender, answer = await attempt(Hook(200, {"Retry-After": "120"}))
    assert (answer.meaning, sender.asked_pause) == (Meaning.TAKEN, 0)


async def test_a_receiver_that_is_not_there_says_no_address(tmp_path: Path) -> None:
    (receiver,) = receivers(["http://127.0.0.1:1/?token=hush"], [], SECRET, insecure=False)
    one = webhook(record())
    assert one is not None
    sender = Sender(receiver, signers([SECRET]), SETTINGS, DeliverMetrics([receiver.name]))
    await sender.open()
    try:
        answer = await sender.attempt(one)
    finally:
        await sender.close()
    assert answer.meaning is Meaning.AGAIN
    assert answer.error == "ClientConnectorError"


def test_dead_letters_are_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    failure = Failure("default", "status 400", 1)
    for offset in range(2):
        asyncio.run(DeadLetterFile(path).write(record(offset), failure, NOW))
    first, second = map(json.loads, path.read_text().splitlines())
    assert (first["offset"], second["offset"]) == (0, 1)
    assert json.loads(first["body"]) == {"a": "ñ"}
    assert first["error"] == "status 400"
