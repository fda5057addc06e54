"""The record of actions: who changed something by a command."""

from worker.operations.format import to_json
from worker.storage.transaction import Transaction


async def record(tx: Transaction, author: str, command: str, **arguments: object) -> None:
    """Record an action in the transaction of its change; no personal data in ``arguments``."""
    await tx.execute("record_action", author, command, to_json(arguments))
