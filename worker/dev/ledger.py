"""The records that were published, and when the broker had them: the audit's side of the truth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Fact:
    """The meaning of one record for an order. Without a status it is unreadable."""

    status: str | None = None
    occurred_at: datetime | None = None
    stock_ok: bool | None = None


UNREADABLE = Fact()


@dataclass(frozen=True, slots=True)
class Entry:
    """An order-created: the order entered the system."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """A record to publish, and its meaning for each order that it names."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int | None = None
    meanings: tuple[tuple[str, Fact | Entry], ...] = ()

    @property
    def readable(self) -> bool:
        """Whether it can be read; if not, it has to become a dead letter."""
        return bool(self.meanings) and all(one is not UNREADABLE for _, one in self.meanings)


@dataclass(slots=True)
class Account:
    """One order. A fact stood in the log at the latest when it was acknowledged."""

    order_id: str
    did: str
    entered_at: datetime | None = None
    facts: list[tuple[datetime, Fact]] = field(default_factory=list)
    # Records of this order that are still to be published.
    planned: int = 0
    touched_at: datetime | None = None


class Ledger:
    """All orders, by id, as far as the broker has acknowledged them."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.created = 0
        self.records = 0
        self.unreadable = 0

    def open(self, order_id: str, did: str, planned: int = 0) -> Account:
        """Open an account; an order that has one keeps its facts."""
        account = self.accounts.setdefault(order_id, Account(order_id, did))
        account.planned += planned
        return account

    def enter(self, message: Message, at: datetime) -> None:
        """Enter a record that the broker has acknowledged."""
        self.records += 1
        self.unreadable += not message.readable
        for order_id, meaning in message.meanings:
            account = self.open(order_id, "recorded")
            account.touched_at = at
            account.planned = max(0, account.planned - 1)
            if isinstance(meaning, Fact):
                account.facts.append((at, meaning))
            elif account.entered_at is None:  # a repeat changes nothing
                account.entered_at = meaning.at
                self.created += 1

    def entered(self) -> Iterator[Account]:
        """The accounts of orders that exist: the others are acts that never met their order."""
        return (one for one in self.accounts.values() if one.entered_at is not None)
