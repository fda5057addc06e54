"""Asks a schema registry: the HTTP API of Confluent, which Karapace, Redpanda and Apicurio have."""

import base64
import json
import ssl
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import aiohttp

from worker.errors import PlazoError
from worker.registry.wire import SchemaId
from worker.settings import Settings

# Of an answer. Schemas of events have some thousand characters.
_MOST_BYTES: Final = 1 << 20
_MOST_REFERENCES: Final = 100
# The registry's own codes for: no such subject, version, schema; a subject without a mode.
_UNKNOWN: Final = frozenset({40401, 40402, 40403, 40408})
# Differences that mean nothing, such as blanks, make no other schema.
_SAME: Final = "?normalize=true"
# Conflict with other versions; no valid schema, or nothing is registered now.
_NOT_TAKEN: Final = frozenset({409, 422})
_LONGEST_MESSAGE: Final = 300
_CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_ACCEPT: Final = "application/vnd.schemaregistry.v1+json, application/json"


class RegistryAway(PlazoError):
    """The registry does not answer, or not with a usable answer: ask again later."""


class SchemaUnknown(PlazoError):
    """The registry answers that it has no such schema."""


class SchemaNotTaken(PlazoError):
    """The registry does not take a schema; the message quotes what it says of it."""


class SchemaTooLarge(PlazoError):
    """A schema, or all that it refers to, is too large to be read."""


class SchemaText(NamedTuple):
    """A schema of the registry: ``AVRO``, ``JSON`` or ``PROTOBUF``.

    ``references`` are the texts that it refers to, each after those that it refers to itself.
    """

    kind: str
    text: str
    references: tuple[str, ...] = ()


class RegistryClient:
    """Reads schemas and registers ours. Several URLs are asked in turn until one has an answer."""

    def __init__(self, settings: Settings) -> None:
        self._urls = settings.schema_registry_urls
        self._ca_file = settings.schema_registry_ca_file
        self._timeout = aiohttp.ClientTimeout(settings.schema_registry_timeout.total_seconds())
        self._headers = {"Accept": _ACCEPT}
        if (password := settings.schema_registry_password) is not None:
            identity = f"{settings.schema_registry_username}:{password.get_secret_value()}"
            encoded = base64.b64encode(identity.encode()).decode()
            self._headers["Authorization"] = f"Basic {encoded}"
        if settings.schema_registry_token is not None:
            token = settings.schema_registry_token.get_secret_value()
            self._headers["Authorization"] = f"Bearer {token}"
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
        self._session = None

    async def probe(self) -> None:
        """Check that the registry answers, and answers us.

        Raises:
            RegistryAway
        """
        await self._get("schemas/types", _is_list)

    async def schema(self, schema: SchemaId) -> SchemaText:
        """Read a schema and all that it refers to.

        Raises:
            RegistryAway, SchemaUnknown, SchemaTooLarge
        """
        path = f"schemas/ids/{schema}" if isinstance(schema, int) else f"schemas/guids/{schema}"
        found = await self._get(path, _is_schema)
        references: dict[tuple[str, str], str] = {}
        await self._resolve(found, references, room=_MOST_BYTES)
        kind = str(found.get("schemaType") or "AVRO").upper()
        return SchemaText(kind, found["schema"], tuple(references.values()))

    async def look_up(self, subject: str, schema: SchemaText) -> int:
        """Return the id of a schema that is registered under a subject.

        Raises:
            RegistryAway
            SchemaUnknown: neither this subject nor another version of it has the schema.
        """
        return int((await self._get(f"subjects/{_quoted(subject)}{_SAME}", _has_id, schema))["id"])

    async def register(self, subject: str, schema: SchemaText) -> int:
        """Register a schema under a subject; return its id. To do so twice changes nothing.

        Raises:
            RegistryAway
            SchemaNotTaken: it is not compatible, or the registry registers nothing now.
        """
        path = f"subjects/{_quoted(subject)}/versions{_SAME}"
        return int((await self._get(path, _has_id, schema))["id"])

    async def refusal(self, subject: str, schema: SchemaText) -> str | None:
        """Return why the registry would not register a schema; ``None`` if it would.

        Raises:
            RegistryAway
        """
        path = f"compatibility/subjects/{_quoted(subject)}/versions?verbose=true"
        try:
            found = await self._get(path, _is_compatibility, schema)
        except SchemaUnknown:
            return None  # the first of its subject
        except SchemaNotTaken as error:
            return str(error)
        if found["is_compatible"]:
            return None
        return _told(found.get("messages")) or "it is not compatible with those before it"

    async def compatibility(self, subject: str) -> str:
        """Return the mode that new schemas of a subject must keep, such as ``BACKWARD``.

        Raises:
            RegistryAway
        """
        for path in (f"config/{_quoted(subject)}", "config"):
            try:
                return str((await self._get(path, _is_config))["compatibilityLevel"])
            except SchemaUnknown:
                continue
        raise RegistryAway("it tells no compatibility")

    async def _resolve(
        self, schema: dict[str, Any], found: dict[tuple[str, str], str], room: int
    ) -> int:
        """Add the texts of references, deepest first; return the bytes that are left of ``room``.

        A registry refuses circles, so they count as what is not found.
        """
        for reference in schema.get("references") or ():
            name = str(reference["subject"]), str(reference["version"])
            if name in found:
                continue
            if len(found) >= _MOST_REFERENCES or room < 0:
                raise SchemaTooLarge("it refers to too much")
            found[name] = ""
            subject, version = map(_quoted, name)
            inner = await self._get(f"subjects/{subject}/versions/{version}", _is_schema)
            room = await self._resolve(inner, found, room - len(inner["schema"]))
            del found[name]
            found[name] = inner["schema"]
        return room

    async def _get(self, path: str, fits: Any, schema: SchemaText | None = None) -> Any:
        """The answer of the first URL that has one; with a schema, to a POST of it."""
        unknown: SchemaUnknown | None = None
        away: RegistryAway | None = None
        for url in self._urls:
            try:
                return await self._get_from(url, path, fits, schema)
            except SchemaUnknown as error:
                unknown = error
            except RegistryAway as error:
                away = error
        raise unknown or away or RegistryAway("no URL")

    async def _get_from(self, url: str, path: str, fits: Any, schema: SchemaText | None) -> Any:
        status, body = await self._answer(url, path, schema)
        if status == 200 and fits(body):
            return body
        if status == 404:
            code = body.get("error_code") if isinstance(body, dict) else None
            # A proxy, or a wrong path of the URL, has 404 for everything. Registries differ in what
            # they say of a GUID, and the older ones do not know of any.
            if code in _UNKNOWN or (path != "schemas/types" and await self._has_types(url)):
                raise SchemaUnknown("the registry has no such schema")
        if schema is not None and status in _NOT_TAKEN and isinstance(body, dict):
            raise SchemaNotTaken(f"HTTP {status}: {_told(body.get('message'))}")
        raise RegistryAway(f"HTTP {status}{_HINTS.get(status, '')}")

    async def _has_types(self, url: str) -> bool:
        status, body = await self._answer(url, "schemas/types")
        return status == 200 and _is_list(body)

    async def _answer(
        self, url: str, path: str, schema: SchemaText | None = None
    ) -> tuple[int, Any]:
        """The status, and the body if it is JSON."""
        method, data, headers = "GET", None, None
        if schema is not None:
            method, data, headers = "POST", _body(schema), {"Content-Type": _CONTENT_TYPE}
        try:
            session = self._connected()
            async with session.request(
                method, f"{url}/{path}", data=data, headers=headers, allow_redirects=False
            ) as response:
                raw = await response.content.read(_MOST_BYTES + 1)
                while len(raw) <= _MOST_BYTES and (more := await response.content.readany()):
                    raw += more
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise RegistryAway(f"{type(error).__name__} on asking") from None
        if len(raw) > _MOST_BYTES:
            if response.status == 200:
                raise SchemaTooLarge(f"it has more than {_MOST_BYTES} bytes")
            return response.status, None
        try:
            return response.status, json.loads(raw)
        except (ValueError, RecursionError):
            return response.status, None

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            context: ssl.SSLContext | bool = True
            if self._ca_file is not None:
                context = ssl.create_default_context(cafile=self._ca_file)
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                headers=self._headers,
                connector=aiohttp.TCPConnector(ssl=context, limit=4),
            )
        return self._session


_HINTS = {
    200: ", and no answer of a schema registry",
    401: ": see PLAZO_SCHEMA_REGISTRY_USERNAME, _PASSWORD and _TOKEN",
    403: ": the identity may not do this",
    404: ": see the path in PLAZO_SCHEMA_REGISTRY_URL",
}


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _body(schema: SchemaText) -> str:
    # A registry takes a schema without its kind as Avro, and the oldest know no other.
    kind = {} if schema.kind == "AVRO" else {"schemaType": schema.kind}
    return json.dumps({"schema": schema.text, **kind})


def _told(message: Any) -> str:
    """What a registry says of one of our schemas, in one line and not at length."""
    lines = message if isinstance(message, list) else [message or ""]
    return " ".join(" ".join(map(str, lines)).split())[:_LONGEST_MESSAGE]


def _has_id(body: Any) -> bool:
    return isinstance(body, dict) and isinstance(body.get("id"), int) and body["id"] > 0


def _is_compatibility(body: Any) -> bool:
    return isinstance(body, dict) and isinstance(body.get("is_compatible"), bool)


def _is_config(body: Any) -> bool:
    return isinstance(body, dict) and isinstance(body.get("compatibilityLevel"), str)


def _is_list(body: Any) -> bool:
    return isinstance(body, list)


def _is_schema(body: Any) -> bool:
    if not isinstance(body, dict) or not isinstance(body.get("schema"), str):
        return False
    references = body.get("references") or []
    return isinstance(references, list) and all(
        isinstance(each, dict) and {"subject", "version"} <= each.keys() for each in references
    )
