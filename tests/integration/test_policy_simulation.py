"""A policy file, tried on the orders of the last days before it is in force."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from tests.support.market import Market, now
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics

FILE = """\
version: 1
statuses: {aceptado: start-handling}
policies:
  - {name: dear, when: {total: {at_least: 500, currency: PEN}}, window: PT24H, at_lapse: escalate}
  - {name: slow, when: {seller: S-2}, window: PT72H}
  - {name: paid, when: {seller: s-3}, window: PT1H, clock: payment-approved}
  - {name: others, window: PT24H}
"""


async def test_a_file_is_tried_on_known_orders(
    new_worker: Callable[..., WorkerProcess], topics: Topics, market: Market, database: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    entered = now() - timedelta(days=2)
    total = {"currency": "PEN"}
    orders = {
        "plain": {"total": "10.00", **total},
        "rich": {"total": "900.00", **total},
        "poor": {"total": None, "currency": None},  # no rule of the file can tell
        "slow": {"seller_id": "s-2", "total": "10.00", **total},
        "unpaid": {"seller_id": "s-3", "total": "10.00", **total},
        "accepted": {"total": "10.00", **total},
        "handled": {"total": "10.00", **total},
    }
    # Confirmed by a word that only the file knows.
    accepted = market.act("accepted", "aceptado", entered + timedelta(hours=1))
    handled = market.act("handled", "start-handling", entered + timedelta(hours=1))
    await market.publish(accepted, handled)
    made = [market.order(name, entered) for name in orders]
    await market.publish(
        *((topic, key, value | orders[key]) for topic, key, value in made),
        market.order("old", entered - timedelta(days=30)),
    )
    worker = await new_worker(topics).start().wait_ready()
    silent = ("plain", "rich", "poor", "slow", "unpaid", "old")
    await market.told(
        *(f"{name} auto-cancel stock-not-validated" for name in silent),
        "accepted escalation unknown-status",
    )
    assert await worker.sigterm() == 0

    path = tmp_path / "policies.yaml"
    path.write_text(FILE, encoding="utf-8")
    report = json.loads(await output(database, tmp_path, str(path), "--since", "7d", "--json"))
    assert (report["orders"], report["left_out"]) == (len(orders), 0)
    dear, slow, paid, others = report["policies"]
    assert [change(dear), change(slow), change(paid)] == [
        [("auto_cancelled stock-not-validated", "escalated policy", ["rich"])],
        [("auto_cancelled stock-not-validated", "open", ["slow"])],
        [("auto_cancelled stock-not-validated", "waits for its clock", ["unpaid"])],
    ]
    assert sorted(change(others)) == [
        ("auto_cancelled stock-not-validated", "escalated facts-missing", ["poor"]),
        ("escalated unknown-status", "kept", ["accepted"]),
    ]
    assert (slow["later_due"], slow["earlier_due"], others["later_due"]) == (1, 0, 0)
    assert (others["orders"], others["other_policy"]) == (4, 4)
    assert "waits for its clock" in await output(database, tmp_path, str(path))


def change(policy: dict[str, list[dict[str, object]]]) -> list[tuple[object, ...]]:
    return [(one["before"], one["after"], one["examples"]) for one in policy["verdicts"]]


async def output(database: str, tmp_path: Path, *words: str) -> str:
    command = WorkerProcess(
        tmp_path, {"PLAZO_DATABASE_URL": database}, name=f"simulate{len(words)}",
        arguments=("policy", "simulate", *words),
    ).start()  # fmt: skip
    assert await command.wait() == 0, command.output
    return command.stdout_file.read_text()
