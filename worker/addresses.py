"""Addresses of Kafka and Postgres: what a client could not connect to is refused as a setting.

Messages name hosts and ports, and never a user's password.
"""

import re
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

_HEX = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_ESCAPES = {"@": "%40", "/": "%2F", "?": "%3F", "#": "%23", ":": "%3A", "%": "%25"}
_FORM = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"


def checked_servers(text: str) -> str:
    """A list ``host:port,…`` of brokers.

    Raises:
        ValueError: an entry is not of this form.
    """
    entries = [entry.strip() for entry in text.split(",")]
    if not all(entries):
        raise ValueError("holds an empty entry; write host:port,host:port")
    for entry in entries:
        if "://" in entry:
            raise ValueError(f"write {entry.partition('://')[2]!r} without {entry.split('/')[0]}//")
        host, colon, port = entry.rpartition(":")
        if not colon or not host or (host.count(":") and not host.startswith("[")):
            raise ValueError(f"{entry!r} has no port; write host:port, as in {entry}:9092")
        _check_port(port, entry)
    return ",".join(entries)


def checked_url(secret: SecretStr) -> SecretStr:
    """A URL of Postgres that the driver reads as it was meant.

    Raises:
        ValueError: another scheme, a character that must be escaped, or a port that is none.
    """
    url = secret.get_secret_value().strip()
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise ValueError(f"must be a URL, {_FORM}")
    if scheme not in ("postgresql", "postgres"):
        driver = ", without the name of a driver" if scheme.startswith("postgres") else ""
        raise ValueError(f"must begin with postgresql://, not with {scheme}://{driver}")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, at, hosts = authority.rpartition("@")
    if not at and ":" in authority and "@" in rest:
        # What looks like the next part of the URL began in the password, unless the part before it
        # ends in a port and the @ is one of a parameter.
        behind = rest[len(authority) :]
        ends_in_port = authority.rpartition(":")[2].isdigit()
        if not ends_in_port or "@" in re.split(r"[?#]", behind, maxsplit=1)[0]:
            raise ValueError(_escaped(behind[0]))
    if "@" in user:
        raise ValueError(_escaped("@"))
    if at and "@" in re.split(r"[?#]", rest[len(authority) :], maxsplit=1)[0]:
        raise ValueError(_escaped("@"))  # the host that was found is a piece of the password
    if user.count(":") > 1:
        raise ValueError(_escaped(":"))
    if _HEX.search(user):
        raise ValueError(_escaped("%"))
    for entry in filter(None, hosts.split(",")):
        host, colon, port = entry.rpartition(":")
        if colon and not entry.endswith("]"):
            _check_port(port, host or "the host")
    try:
        mode = parse_qs(urlsplit(url).query).get("sslmode", ["prefer"])[-1]
    except ValueError:
        raise ValueError(f"is no URL of the form {_FORM}") from None
    if mode not in _SSL_MODES:
        raise ValueError(f"sslmode must be one of {', '.join(_SSL_MODES)}")
    return SecretStr(url)


def where(url: str) -> str:
    """Host, database and role of a URL in words, without the password."""
    parts = urlsplit(url)
    user, _, hosts = parts.netloc.rpartition("@")
    role = unquote(user.partition(":")[0]) or "of the system's user"
    database = unquote(parts.path.lstrip("/")) or role
    host = hosts or parse_qs(parts.query).get("host", ["the local socket"])[-1]
    return f"{host}, database {database}, role {role}"


def _escaped(character: str) -> str:
    return f"write {character} in the user or password as {_ESCAPES[character]}"


def _check_port(text: str, where_: str) -> None:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65535):
        raise ValueError(f"the port of {where_!r} must be a number from 1 to 65535")
