"""Who asks for the board's data: by a token, or by the headers of a trusted reverse proxy."""

import hmac
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp import web

from worker.settings import Settings

_NAME = 200  # characters of a person's name


class Role(StrEnum):
    """The parts of the board that a person sees."""

    OPERATOR = "operator"
    SUPPORT = "support"  # orders, and no operations


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks. ``name`` is ``None`` for the token, which any number of people may hold."""

    name: str | None
    role: Role


class Refused(Exception):
    """The answer is no; ``status`` is that of HTTP, the text is for the person."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Access:
    """Tells people apart.

    The headers count only from the addresses of the proxies, and only once each: a client that
    sends them itself, through the proxy or past it, is nobody.
    """

    def __init__(self, settings: Settings) -> None:
        token = settings.board_token
        self._bearer = f"Bearer {token.get_secret_value()}".encode() if token else None
        self._user_header = settings.board_user_header
        self._role_header = settings.board_role_header
        self._proxies = [ip_network(part) for part in _words(settings.board_proxies)]
        self._roles = {
            **dict.fromkeys(_words(settings.board_support), Role.SUPPORT),
            **dict.fromkeys(_words(settings.board_operators), Role.OPERATOR),
        }

    @property
    def nobody(self) -> bool:
        """Whether the settings let nobody in: there is no board."""
        return self._bearer is None and self._user_header is None

    @property
    def by_token(self) -> bool:
        """Whether a token opens the board."""
        return self._bearer is not None

    def person(self, request: web.BaseRequest) -> Person:
        """Who asks.

        Raises:
            Refused: nobody whom the settings let in.
        """
        # A page of another site could ask in the name of whoever the proxy has signed in.
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise Refused(403, "the request comes from another site")
        if (signed_in := self._signed_in(request)) is not None:
            return signed_in
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if self._bearer is not None and hmac.compare_digest(given, self._bearer):
            return Person(None, Role.OPERATOR)
        if self._bearer is not None:
            raise Refused(401, "the token is missing or wrong")
        raise Refused(401, "only the trusted proxy signs people in, and it named nobody")

    def _signed_in(self, request: web.BaseRequest) -> Person | None:
        if self._user_header is None or self._role_header is None or not self._trusts(request):
            return None
        names = request.headers.getall(self._user_header, [])
        roles = request.headers.getall(self._role_header, [])
        if not names:
            return None
        name = names[0].strip()
        if len(names) > 1 or len(roles) > 1 or not name or len(name) > _NAME:
            raise Refused(403, "the proxy must name one person, and give the roles once")
        held = {self._roles.get(word) for word in _words(*roles)}
        for role in (Role.OPERATOR, Role.SUPPORT):
            if role in held:
                return Person(name, role)
        raise Refused(403, "none of your roles may see this board")

    def _trusts(self, request: web.BaseRequest) -> bool:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        if not isinstance(peer, tuple):
            return False
        address = _address(peer[0])
        return any(address in network for network in self._proxies)


def _address(text: str) -> IPv4Address | IPv6Address:
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address  # a socket for both families shows IPv4 as IPv6


def _words(*lists: str) -> list[str]:
    return [part.strip() for text in lists for part in text.split(",") if part.strip()]
