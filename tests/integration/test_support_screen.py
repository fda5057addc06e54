"""`plazo explain` as support sees it: 80 columns, local times, the next step, the past."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from worker.domain.case import Kind, Reason
from worker.storage.migrate import migrate

ROOT = Path(__file__).parents[2]
ENTERED = datetime(2026, 11, 22, 15, 4, 5, tzinfo=UTC)
ID = "0000-order-of-the-Marketplace-with-a-long-id-0123456789"


@pytest.fixture
async def order(database: str) -> str:
    """An order that was cancelled and handled in time, as it turned out nine seconds later."""
    await migrate(database)
    due = ENTERED + timedelta(hours=24)
    connection = await asyncpg.connect(database)
    await connection.execute("INSERT INTO lanes (lane) VALUES (0)")
    await connection.execute("INSERT INTO published VALUES (0, 2)")
    await connection.execute(
        """INSERT INTO orders (order_id, lane, seller_id, fulfilment, entered_at, due, fires_at,
            policy, at_lapse, topic, partition, "offset", received_at, finding, outcome, decisions,
            decided_at)
        VALUES ($1, 0, 'seller-1', 'courier', $2, $3, $3, 'default', 'auto-cancel',
            'marketplace.order-created', 0, 0, $2, 'validated', 'kept', 2, $3)""",
        ID, ENTERED, due,
    )  # fmt: skip
    for status, topic, at in (
        ("order-created", "marketplace.order-created", ENTERED),
        ("start-handling", "marketplace.order-status-changed", ENTERED + timedelta(hours=3)),
    ):
        await connection.execute(
            "INSERT INTO acts VALUES ($1, $2, $3, $3, $4, 0, 0, NULL, NULL, '{}')",
            ID, status, at, topic,
        )  # fmt: skip
    for n, (kind, reason, revokes, after) in enumerate([
        (Kind.AUTO_CANCEL, Reason.STOCK_NOT_VALIDATED, None, 31),
        (Kind.REVOKED, Reason.LATE_EVIDENCE, 1, 40),
    ]):  # fmt: skip
        value = {"due": due.isoformat(), "evidence": {"acts": [], "read_to": {}}}
        await connection.execute(
            """INSERT INTO decisions
            VALUES (0, $1::int, $2, $1::int, gen_random_uuid(), $3, $4, $5, $6, $7)""",
            n + 1, ID, kind, reason, revokes, due + timedelta(seconds=after), json.dumps(value),
        )  # fmt: skip
    await connection.close()
    return ID


def plazo(database: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command on a terminal of 80 columns, as a process of its own."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with subprocess.Popen(
        [sys.executable, "-m", "worker", *arguments],
        cwd=ROOT, stdout=theirs, stderr=theirs, text=True,
        env={**kept, "PLAZO_DATABASE_URL": database, "NO_COLOR": "1", "TERM": "dumb",
             **environment},
    ) as process:  # fmt: skip
        os.close(theirs)
        parts = []
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            parts.append(part)
        code = process.wait()
    os.close(ours)
    said = b"".join(parts).decode().replace("\r\n", "\n")
    return subprocess.CompletedProcess(arguments, code, said, "")


def test_the_screen_answers_in_local_time(database: str, order: str) -> None:
    said = plazo(database, "explain", order, "--zone", "America/Lima").stdout
    lines = said.splitlines()
    assert lines[0] == order
    assert lines[1].startswith("Kept because it was put in start handling in time")
    assert "Deadline    2026-11-23 10:04:05 America/Lima," in said
    assert "Next step   Nothing to do." in lines
    happened = lines[lines.index("What happened (times: America/Lima)") + 1 :]
    assert [line[:19] for line in happened if line.startswith("2026-")] == [
        "2026-11-22 10:04:05", "2026-11-22 13:04:05", "2026-11-23 10:04:05", "2026-11-23 10:04:36",
        "2026-11-23 10:04:45",
    ]  # fmt: skip
    assert "2026-11-23 10:04:36  decision 1: auto-cancelled because" in said
    assert "2026-11-23 10:04:45  decision 1 taken back" in said
    for word in ("lane", "finding", "sequence", "order-created", "dead letter"):
        assert word not in said


@pytest.mark.parametrize(
    ("arguments", "environment", "zone"),
    [
        ((), {}, "UTC"),
        ((), {"PLAZO_ZONE": "America/Bogota"}, "America/Bogota"),
        ((), {"PLAZO_ZONE": "America/Bogota", "TZ": "America/Lima"}, "America/Lima"),
        ((), {"PLAZO_ZONE": "America/Bogota", "TZ": "nowhere"}, "America/Bogota"),
        (("--zone", "Asia/Tokyo"), {"TZ": "America/Lima"}, "Asia/Tokyo"),
    ],
)
def test_whose_zone_it_is(
    database: str, order: str, arguments: Any, environment: dict[str, str], zone: str
) -> None:
    said = plazo(database, "explain", order, *arguments, **environment).stdout
    assert f"What happened (times: {zone})" in said


def test_no_zone_of_that_name(database: str, order: str) -> None:
    assert plazo(database, "explain", order, "--zone", "Lima/America").returncode == 2
    assert plazo(database, "explain", order, PLAZO_ZONE="Lima").returncode == 2


async def test_ids_and_places_stay_whole_in_80_columns(database: str, order: str) -> None:
    said = plazo(database, "explain", order, "--details").stdout
    connection = await asyncpg.connect(database)
    ids = [str(row["id"]) for row in await connection.fetch("SELECT id FROM decisions")]
    await connection.close()
    for whole in (*ids, order, "marketplace.order-status-changed/0/0", "stock-not-validated"):
        assert whole in said, whole
    for command in (("orders", "--since", "3650d"), ("decisions", "--since", "3650d")):
        assert order in plazo(database, *command).stdout


@pytest.mark.parametrize("asked", [ID.lower(), ID.upper(), ID[:-1], f" {ID}"])
def test_a_misspelt_id_leads_to_the_order(database: str, order: str, asked: str) -> None:
    answer = plazo(database, "explain", asked)
    assert answer.returncode == 1
    assert "check the spelling; capitals count" in answer.stdout
    assert order in answer.stdout


def test_nothing_like_it_is_known(database: str, order: str) -> None:
    said = plazo(database, "explain", "quite-different").stdout
    assert "nothing is known of this order" in said
    assert "Known are" not in said


def test_an_export_is_a_file_for_its_owner(database: str, order: str, tmp_path: Path) -> None:
    file = tmp_path / "order.json"
    answer = plazo(database, "export", order, "--output", str(file), "--by", "me")
    assert answer.returncode == 0, answer.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(json.loads(file.read_text())["tables"]["decisions"]) == 2
    again = plazo(database, "export", order, "--output", str(file), "--by", "me")
    assert again.returncode == 2, "no file is overwritten"
    other = tmp_path / "other.json"
    assert plazo(database, "export", "x", "-o", str(other), "--by", "me").returncode == 1
    assert not other.exists()
