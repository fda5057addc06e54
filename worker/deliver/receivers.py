"""The receivers of webhooks: their names, addresses, wanted types and secrets."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from schemas.events import decision_type
from worker.domain.case import Kind
from worker.errors import PlazoError

# The name of a receiver that has none.
DEFAULT = "default"
_NAMED = re.compile(r"([a-z0-9][a-z0-9-]{0,40})=(.*)", re.DOTALL)
_ALL = "all"


class ReceiverInvalid(PlazoError):
    """A receiver cannot be used as it was given."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """One receiver. ``types`` are those that it gets; empty is all, also those to come."""

    name: str
    url: str
    types: frozenset[str]
    secrets: tuple[str, ...]

    def wants(self, ce_type: str) -> bool:
        """Whether it gets events of this type."""
        return not self.types or ce_type in self.types

    def group(self, base: str) -> str:
        """Its consumer group: no receiver waits for another."""
        return base if self.name == DEFAULT else f"{base}-{self.name}"

    @property
    def shown(self) -> str:
        """Its address for logs, without path and query: they may hold a token."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def receivers(
    to: Sequence[str], types: Sequence[str], secrets: str, *, insecure: bool
) -> list[Receiver]:
    """The receivers of ``--to`` and ``--types``, which belong together by their order.

    Raises:
        ReceiverInvalid
    """
    if len(types) not in (0, 1, len(to)):
        raise ReceiverInvalid("give --types once for all receivers, or once after each --to")
    wanted = [*types] if len(types) == len(to) else [*(types or [_ALL])] * len(to)
    found = []
    for place, kinds in zip(to, wanted, strict=True):
        named = _NAMED.fullmatch(place)
        name, url = named.groups() if named else (DEFAULT, place)
        _check(url, insecure=insecure)
        found.append(Receiver(name, url, _types(kinds), _secrets(name, secrets)))
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        raise ReceiverInvalid("several receivers need a name each: --to NAME=URL")
    return found


def _check(url: str, *, insecure: bool) -> None:
    parts = urlsplit(url)
    try:
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if parts.scheme not in ("http", "https") or not host:
        raise ReceiverInvalid("--to takes an address such as https://example.org/hook")
    if parts.username or parts.password:
        raise ReceiverInvalid("--to takes no user name or password: the signature shows who sends")
    if parts.scheme == "http" and not insecure and not _is_loopback(host):
        raise ReceiverInvalid("--to needs https, except for this machine; or say --insecure")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _types(kinds: str) -> frozenset[str]:
    named = [kind.strip() for kind in kinds.split(",")]
    if named == [_ALL]:
        return frozenset()
    known = [kind.value for kind in Kind]
    if unknown := [kind for kind in named if kind not in known]:
        raise ReceiverInvalid(
            f"--types: no type {', '.join(unknown)}; there are {', '.join(known)} and {_ALL}"
        )
    return frozenset(map(decision_type, named))


def _secrets(name: str, told: str) -> tuple[str, ...]:
    """Those for everybody and those of this receiver; several sign each request."""
    found = []
    for one in told.split():
        named = _NAMED.fullmatch(one)
        if named is None:
            found.append(one)
        elif named[1] == name:
            found.append(named[2])
    if not found:
        raise ReceiverInvalid(f"no secret for the receiver {name}: set PLAZO_DELIVER_SECRET")
    return tuple(found)
