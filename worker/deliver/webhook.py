"""A decision as a webhook: its body, and its signed headers. No I/O.

The signature follows Standard Webhooks, the other headers the HTTP binding of CloudEvents.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

from schemas import events as names
from worker.errors import PlazoError
from worker.ingest.registry.framing import is_json
from worker.records import Record

_SHORTEST_SECRET = 24  # bytes, by the specification
# What CloudEvents wants unquoted in a header: printable ASCII but for blank, `"` and `%`.
_UNQUOTED = "!#$&'()*+,/:;<=>?@[\\]^`{|}"


class SecretInvalid(PlazoError):
    """A secret is no secret of Standard Webhooks."""


class SignaturesNotInstalled(PlazoError):
    """The library of the signatures is missing."""


class Signer(Protocol):
    """What `standardwebhooks` calls a Webhook."""

    def sign(self, msg_id: str, timestamp: datetime, data: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Webhook:
    """One decision on its way. ``attributes`` are those of CloudEvents, by header."""

    id: str
    type: str
    body: str
    attributes: dict[str, str]


def signers(secrets: Sequence[str]) -> list[Signer]:
    """One for each secret.

    Raises:
        SignaturesNotInstalled, SecretInvalid
    """
    try:
        from standardwebhooks import Webhook as StandardWebhook
    except ImportError:
        raise SignaturesNotInstalled(
            "signatures need a library: python -m pip install standardwebhooks"
        ) from None
    found: list[Signer] = []
    for secret in secrets:
        try:
            made = StandardWebhook(secret)
        except Exception:
            raise SecretInvalid("a secret must be Base64 after `whsec_`") from None
        if len(made._whsecret) < _SHORTEST_SECRET:
            raise SecretInvalid(f"a secret must have at least {_SHORTEST_SECRET} bytes")
        found.append(made)
    return found


def type_of(record: Record) -> str | None:
    """The type that a record names; ``None`` if it names none."""
    told = dict(record.headers).get(names.CE_TYPE)
    return None if told is None else told.decode(errors="replace")


def webhook(record: Record) -> Webhook | None:
    """The webhook of a decision in plain JSON; ``None`` for a record that is none of Plazo."""
    headers = dict(record.headers)
    try:
        id_, ce_type = headers[names.CE_ID].decode(), headers[names.CE_TYPE].decode()
        body = (record.value or b"").decode()
        attributes = {
            f"ce-{name.removeprefix(names.CE_PREFIX)}": quote(value, safe=_UNQUOTED)
            for name, value in record.headers
            if name.startswith(names.CE_PREFIX)
        }
    except (KeyError, UnicodeDecodeError):
        return None
    if not (id_ and id_.isascii() and id_.isprintable() and ce_type and is_json(body.encode())):
        return None
    return Webhook(id_, ce_type, body, attributes)


def signed(one: Webhook, signers: Sequence[Signer], now: datetime) -> dict[str, str]:
    """The headers of a request that is sent ``now``."""
    return {
        **one.attributes,
        names.CONTENT_TYPE_HEADER: names.CONTENT_TYPE,
        "webhook-id": one.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signer.sign(one.id, now, one.body) for signer in signers),
    }
