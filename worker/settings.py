"""Settings: the only place that reads the environment.

Every field is one ``PLAZO_…`` variable, a line in ``.env``, a file in ``secrets_dir`` or a key of
the file that ``PLAZO_CONFIG`` names. The first of these wins. The table in the reference is
generated from here. All faults are reported at once.
"""

import difflib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from importlib.metadata import entry_points
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import isodate
from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BeforeValidator,
    DirectoryPath,
    Field,
    FilePath,
    SecretStr,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from worker.addresses import checked_servers, checked_url
from worker.durations import duration
from worker.settings_file import SettingsFile, read_settings_file


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _duration(value: object) -> object:
    return duration(value) if isinstance(value, str) else value


def _refuse_removed(value: str) -> str:
    if value.strip():
        raise PydanticCustomError(
            "gone",
            "an installation has one database now, so lanes cannot be spread over several: remove "
            "this setting if they never were; otherwise stay on the previous version",
        )
    return ""


def _networks(value: str) -> str:
    for part in filter(None, map(str.strip, value.split(","))):
        try:
            ip_network(part)
        except ValueError:
            raise PydanticCustomError(
                "network", "not a list of addresses and networks, such as `10.0.0.7,10.1.0.0/16`"
            ) from None
    return value


_HEADER_NAME = r"^[A-Za-z0-9-]+$"
# What Postgres keeps for itself.
_RESERVED_SCHEMAS = ("pg_", "information_schema")


def _schema(name: str) -> str:
    # A name that reads the same with and without quotes, in SQL and in `ALTER ROLE`.
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name) or name.startswith(_RESERVED_SCHEMAS):
        raise PydanticCustomError(
            "schema",
            "not a name for a schema of ours: at most 63 of a-z, 0-9 and _, no digit first, and "
            "not pg_… or information_schema",
        )
    return name


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise PydanticCustomError("zone", "not a time zone such as America/Lima") from None
    return name


def zone_of_process() -> str | None:
    """The time zone in ``TZ``, if it is a name of the time zone database."""
    name = os.environ.get("TZ", "").removeprefix(":")
    try:
        return _zone(name) if name else None
    except PydanticCustomError:
        return None


PREFIX, ENV_FILE = "PLAZO_", ".env"
# How the settings name a mapping that comes with Plazo, a mapping file, and the formats of others.
MAPPING, FILE, PLUGINS = "mapping:", "file:", "plazo.formats"


def _format(*names: str) -> Callable[[str], str]:
    """Check the name of a format. Its file or its plug-in is read where it is used."""

    def check(value: str) -> str:
        if value in ("plazo", *names):
            return value
        if value.startswith((MAPPING, FILE)) and value not in (MAPPING, FILE):
            return value
        # The search for plug-ins reads the metadata of every package.
        known = ("plazo", *names, *sorted(entry_points(group=PLUGINS).names))
        if value in known:
            return value
        raise PydanticCustomError(
            "format",
            "must be one of {known}, mapping:NAME or file:PATH",
            {"known": ", ".join(known)},
        )

    return check


# What Kubernetes sets in the pods beside a service by the name of `plazo…`, and what tests read.
_NOT_OURS = re.compile(
    r"PLAZO_(?:TEST_.*|(?:.+_)?SERVICE_(?:HOST|PORT(?:_.+)?)"
    r"|(?:.+_)?PORT_[0-9]+_(?:TCP|UDP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_LINK = re.compile(r"(?:tcp|udp|sctp)://.*")
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Positive = Annotated[Duration, Field(gt=timedelta(0), le=timedelta(days=3650))]


class Settings(BaseSettings):
    """The settings for operators. Durations are written ``24h`` or ``PT24H``; empty is unset."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    kafka_bootstrap_servers: Annotated[str, AfterValidator(checked_servers)] = Field(
        "127.0.0.1:9092", description="Brokers, `host:port,…`."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT",
        description="`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` (without encryption) or `SASL_SSL`.",
    )
    kafka_ca_file: FilePath | None = Field(
        None, description="CA certificates (PEM) for the brokers; default: those of the system."
    )
    kafka_cert_file: FilePath | None = Field(
        None, description="Our certificate (PEM), for mutual TLS."
    )
    kafka_key_file: FilePath | None = Field(
        None, description="Its key (PEM), unless the same file holds it."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        "SCRAM-SHA-512",
        description="`PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`.",
    )
    kafka_sasl_username: str | None = Field(None, description="For `PLAIN` and `SCRAM-…`.")
    kafka_sasl_password: SecretStr | None = Field(None, description="For `PLAIN` and `SCRAM-…`.")
    kafka_sasl_token_file: FilePath | None = Field(
        None, description="For `OAUTHBEARER`: file with a token, read for each connection."
    )
    kafka_idempotence: bool = Field(
        True, description="Idempotent producer. Off only for brokers without producer ids."
    )
    kafka_compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = Field(
        "none",
        description="Compression of the records that the worker publishes: `none`, `gzip`, "
        "`snappy`, `lz4` or `zstd`. All subscribers must be able to read it.",
    )
    database_url: Annotated[SecretStr, AfterValidator(checked_url)] = Field(
        SecretStr("postgresql://postgres@127.0.0.1:5432/plazo"),
        description="Postgres, as a URL. Of several hosts the primary serves.",
    )
    database_schema: Annotated[str, AfterValidator(_schema)] | None = Field(
        None,
        description="Schema of this installation, its cell, in the database; empty: the first of "
        "the role's `search_path`, usually `public`.",
    )
    # No longer a setting. If the worker ignored it, it could decide orders again that another
    # database has decided.
    database_lanes: Annotated[str, AfterValidator(_refuse_removed)] = Field(
        "", exclude=True, repr=False
    )
    group_id: str = Field("plazo", min_length=1, description="Consumer group of the workers.")
    instance: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="Name of this worker that stays the same over restarts, such as that of its "
        "host, and that no other has: it comes back to its lanes without a rebalance. Empty: every "
        "start is a new worker.",
    )
    instance_absence: Annotated[Duration, Field(ge=timedelta(0), le=timedelta(minutes=20))] = Field(
        timedelta(seconds=5),
        description="The others wait this long for a worker with a name before they take its "
        "lanes. Zero: it gives them up when it stops.",
    )
    order_created_topic: str = Field(
        "marketplace.order-created", min_length=1, description="Input: orders."
    )
    order_status_changed_topic: str = Field(
        "marketplace.order-status-changed", min_length=1, description="Input: status changes."
    )
    deadline_changes_topic: str | None = Field(
        None,
        min_length=1,
        description="Input: extensions, holds and releases, and then nowhere else; empty: they "
        "come with the status changes. A topic of its own lets an ACL tell who may extend.",
    )
    order_created_format: Annotated[str, AfterValidator(_format("vtex-order", "mirakl-order"))] = (
        Field(
            "plazo",
            description="Format of its records: `plazo`, `vtex-order`, `mirakl-order`, "
            "`mapping:NAME`, `file:PATH` or the name of a plug-in.",
        )
    )
    order_status_changed_format: Annotated[
        str, AfterValidator(_format("vtex-feed", "vtex-hook", "mirakl-acts"))
    ] = Field(
        "plazo",
        description="Format of its records: `plazo`, `vtex-feed`, `vtex-hook`, `mirakl-acts`, "
        "`mapping:NAME`, `file:PATH` or the name of a plug-in.",
    )
    schema_registry_url: str | None = Field(
        None,
        description="Schema registry with the API of Confluent, `https://…`; several with commas "
        "are asked in turn. Needs `plazo[registry]`; without it, Avro is refused by its name.",
    )
    schema_registry_ca_file: FilePath | None = Field(
        None, description="CA certificates (PEM) for the registry; default: those of the system."
    )
    schema_registry_username: str | None = Field(
        None, description="User of the registry, for basic authentication."
    )
    schema_registry_password: SecretStr | None = Field(None, description="The user's password.")
    schema_registry_token: SecretStr | None = Field(
        None, description="Bearer token for the registry, instead of user and password."
    )
    schema_registry_timeout: Annotated[Positive, Field(le=timedelta(minutes=5))] = Field(
        timedelta(seconds=5), description="Most time for one answer of the registry."
    )
    vtex_affiliates: str = Field(
        "",
        pattern=r"^[A-Za-z0-9, ]*$",
        description="For VTEX: the affiliates under which sellers know the marketplace, "
        "`SLR,…`. An order id that begins with one is read without it.",
    )
    decisions_topic: str = Field(
        "marketplace.stock-deadline-decisions", min_length=1, description="Output: decisions."
    )
    decisions_encoding: Literal["json", "json-schema", "avro"] = Field(
        "json",
        description="Encoding of decisions: plain `json`, or by the schema registry as "
        "`json-schema` or `avro` (needs `plazo[registry]`).",
    )
    decisions_schema: Literal["register", "look-up"] = Field(
        "register",
        description="Whether the worker registers the schema of decisions if the registry does "
        "not have it, or only looks it up.",
    )
    mode: Literal["live", "shadow"] = Field(
        "live",
        description="`shadow` is a dry run: it decides as `live` does, and publishes `would-…` "
        "events to its own topic.",
    )
    shadow_topic: str = Field(
        "marketplace.stock-deadline-shadow", min_length=1, description="Output in shadow mode."
    )
    dead_letters_topic: str = Field(
        "marketplace.stock-deadline-dead-letters", min_length=1, description="Output: dead letters."
    )
    stock_window: Positive = Field(
        timedelta(hours=24), description="Time a seller has to validate stock."
    )
    grace: Annotated[Duration, Field(ge=timedelta(0), le=timedelta(days=30))] = Field(
        timedelta(seconds=30), description="Shortest wait from a deadline to its verdict."
    )
    policy_file: FilePath | None = Field(
        None,
        description="Policies by seller, fulfilment and amount (YAML); empty is one for all.",
    )
    confirm_within: Positive | None = Field(
        None,
        description="An auto-cancel escalates if no `canceled` arrives for its order within this "
        "time; empty is off.",
    )
    max_extension: Positive = Field(
        timedelta(days=30),
        description="Longest extension of a deadline beyond the first; a longer one is refused.",
    )
    max_hold: Positive = Field(
        timedelta(days=30),
        description="Longest hold of a verdict; then a silent order escalates.",
    )
    clock_wait: Positive = Field(
        timedelta(days=7),
        description="An alert tells a person of each order whose clock has not started for longer. "
        "The order stays as it is.",
    )
    before_adoption: Literal["keep", "escalate", "decide"] = Field(
        "keep",
        description="Orders whose deadline was over when this installation began: `keep` gives "
        "no verdict, `escalate` tells a person, `decide` judges them as others. With `decide` a "
        "log that begins at its first offset is complete, and no order enters late: for replays "
        "and demonstrations.",
    )
    least_window: Annotated[Duration, Field(ge=timedelta(0), le=timedelta(days=365))] = Field(
        timedelta(0),
        description="An order whose order-created arrives with less than this left of its window "
        "escalates instead of being cancelled.",
    )
    unknown_status: Literal["escalate", "ignore"] = Field(
        "escalate",
        description="A silent order with a status that no table knows: `escalate` or `ignore`. "
        "Such statuses are counted and listed in both cases.",
    )
    astray_refusals: Literal["escalate", "ignore"] = Field(
        "escalate",
        description="A refused status change that names no known order: `escalate` the silent "
        "orders of its partition until it is settled, or `ignore`.",
    )
    outage_after: Positive | None = Field(
        None,
        description="After an outage of all workers longer than this, orders whose deadline lapsed "
        "in it get the lost time back; empty is never.",
    )
    max_clock_skew: Annotated[Duration, Field(ge=timedelta(0))] = Field(
        timedelta(minutes=5),
        description="Records with event times further ahead of the clocks of worker and Postgres "
        "are refused. If the two differ by more, the worker is not ready.",
    )
    max_record_bytes: int = Field(
        1_000_000, ge=1_000, le=100_000_000, description="Larger records are refused unread."
    )
    max_batch_bytes: int = Field(
        33_554_432,
        ge=1_000,
        le=1_000_000_000,
        description="Most bytes that a compressed batch of Kafka may inflate to. The records "
        "behind them are refused without their bytes.",
    )
    dead_letter_limit: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Most dead letters among the last records of a partition, as a share of their "
        "window; above it the lane halts. 1 is off, 0 allows none.",
    )
    dead_letter_window: int = Field(
        1_000,
        ge=1,
        le=1_000_000,
        description="Number of records over which that share is computed.",
    )
    brake_window: Positive = Field(timedelta(hours=1), description="Time window of the brake.")
    brake_cancels: int | None = Field(
        None,
        ge=0,
        description="Most auto-cancels in the window, over all workers; empty is no limit.",
    )
    brake_seller_cancels: int | None = Field(
        None, ge=0, description="Most auto-cancels in the window per seller; empty is no limit."
    )
    brake_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Most auto-cancels in the window, as a share of lapsed deadlines; 1 is off.",
    )
    brake_least: int = Field(
        200, ge=1, description="Deadlines that must lapse in the window before the share applies."
    )
    brake_silent_feed: Positive | None = Field(
        None,
        description="Auto-cancels are held while the newest status change is older than the newest "
        "order by more than this; empty is off.",
    )
    proof: Literal["all", "lane"] = Field(
        "all",
        description="Partitions that must be read before a verdict: `all` inputs, or those of the "
        "order's own `lane` (safe only if all publishers partition alike).",
    )
    keys: Literal["match", "ignore"] = Field(
        "match",
        description="Whether a record's key must name its order, in any encoding, or the value "
        "alone counts, as where publishers set other keys or none.",
    )
    batch_size: int = Field(
        4_000,
        ge=1,
        le=20_000,
        description="Most records in one transaction; half as many deadlines.",
    )
    fetch_bytes_per_partition: int = Field(
        786_432, ge=16_384, description="Read-ahead per partition, in bytes: bounds the memory."
    )
    session_timeout: Positive = Field(
        timedelta(seconds=10),
        description="A worker without a heartbeat for this long loses its lanes.",
    )
    drain_timeout: Positive = Field(
        timedelta(seconds=25), description="Most time from SIGTERM to exit."
    )
    database_connections: int = Field(
        8,
        ge=2,
        le=200,
        description="Most connections to the database; one more tells that the worker lives.",
    )
    database_timeout: Positive = Field(
        timedelta(seconds=30), description="Most time for one statement."
    )
    http_host: str = Field("127.0.0.1", description="Address of /metrics, /livez and /readyz.")
    http_port: int = Field(9464, ge=0, le=65535, description="Their port; 0 takes a free one.")
    # The board, and who may see it: worker/board/access.py.
    board_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Token for the board at `/` of that port; without it and without "
        "`PLAZO_BOARD_USER_HEADER` there is no board.",
    )
    board_user_header: str | None = Field(
        None,
        pattern=_HEADER_NAME,
        description="Header in which a reverse proxy names the person that it signed in, such as "
        "`X-Forwarded-User`. Goes with the next two.",
    )
    board_role_header: str | None = Field(
        None,
        pattern=_HEADER_NAME,
        description="Header in which it gives that person's roles, `a,b,…`, such as "
        "`X-Forwarded-Groups`.",
    )
    board_proxies: Annotated[str, AfterValidator(_networks)] = Field(
        "",
        description="Addresses of these proxies, `10.0.0.7,10.1.0.0/16,…`. The two headers count "
        "from them alone.",
    )
    board_operators: str = Field("operator", description="Roles that see the whole board, `a,b,…`.")
    board_support: str = Field(
        "support", description="Roles that see orders and no operations, `a,b,…`."
    )
    board_personal: bool = Field(
        False,
        description="Whether people whom a proxy signed in may see the persons that an order "
        "names. The log records each look.",
    )
    deliver_group_id: str = Field(
        "plazo-deliver",
        min_length=1,
        description="For `plazo deliver`: its consumer group; a named receiver has `GROUP-NAME`.",
    )
    deliver_secret: SecretStr | None = Field(
        None,
        description="Secrets of the signatures, `whsec_…`, with blanks between them: each request "
        "is signed with all. `NAME=whsec_…` is for one receiver.",
    )
    deliver_dead_letters: Path = Field(
        Path("plazo-deliver.dead-letters.jsonl"),
        description="File for decisions that a receiver refused for good.",
    )
    deliver_in_flight: int = Field(
        16, ge=1, le=1_000, description="Most requests at one time, for each receiver."
    )
    deliver_timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(seconds=30))] = Field(
        timedelta(seconds=10), description="Most time for one request; at most 30 s."
    )
    deliver_attempts: int = Field(
        1_000,
        ge=1,
        description="Attempts for one decision before it goes to that file. A thousand take about "
        "twelve hours.",
    )
    traces: bool = Field(
        False,
        description="Carries trace contexts from record to verdict; needs `plazo[otel]`. "
        "`OTEL_EXPORTER_OTLP_ENDPOINT` sets the destination of the spans.",
    )
    zone: Annotated[str, AfterValidator(_zone)] = Field(
        "UTC",
        description="Time zone of the marketplace, such as `America/Lima`: lists and "
        "explanations show times in it, and the board offers it. `--zone` and `TZ` go before it. "
        "No deadline depends on it.",
    )
    compiled: bool = Field(
        True,
        description="Reads the usual records with compiled code, where the installation has it. "
        "Off: reads all in Python, with the same effect.",
    )
    keep_bodies: bool = Field(
        False,
        description="Keeps accepted records whole in Postgres. Off: only the fields of the "
        "contract, so that no other personal data is stored.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = (
        Field("info", description="Lowest level that is logged.")
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto` is `console` on a terminal and `json` elsewhere."
    )

    secrets_dir: DirectoryPath | None = Field(
        None,
        description="Directory with one file per setting that is kept out of the environment; its "
        "name is the variable in lower case.",
    )
    config: FilePath | None = Field(
        None,
        description="File with settings, `.toml`, `.yaml` or `.yml`. Its keys are the variables in "
        "lower case without `PLAZO_`; what stands anywhere else wins.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources; the first wins, and the file of ``config`` comes last."""
        named = {**dotenv_settings(), **env_settings(), **init_settings()}
        file = _settings_file(named.get("config"))
        values = file.values if file else {}
        secrets = named.get("secrets_dir") or values.get("secrets_dir")
        # A missing directory is a fault of the field itself, reported with all others.
        if secrets and Path(secrets).is_dir():
            file_secret_settings = SecretsSettingsSource(settings_cls, secrets_dir=secrets)
        known = {name: value for name, value in values.items() if name in settings_cls.model_fields}
        known.pop("config", None)
        return (
            init_settings, env_settings, dotenv_settings, file_secret_settings,
            InitSettingsSource(settings_cls, known),
        )  # fmt: skip

    @property
    def input_topics(self) -> tuple[str, ...]:
        """The topics that the worker reads; each may hold evidence. The first brings orders."""
        changes = (self.deadline_changes_topic,) if self.deadline_changes_topic else ()
        return self.order_created_topic, self.order_status_changed_topic, *changes

    @property
    def changes_topic(self) -> str:
        """The topic that brings extensions, holds and releases."""
        return self.deadline_changes_topic or self.order_status_changed_topic

    @property
    def foreign_formats(self) -> dict[str, str]:
        """Formats of the inputs that do not use ours, by topic."""
        formats = {
            self.order_created_topic: self.order_created_format,
            self.order_status_changed_topic: self.order_status_changed_format,
        }
        return {topic: name for topic, name in formats.items() if name != "plazo"}

    @property
    def schema_registry_urls(self) -> tuple[str, ...]:
        """The URLs in ``schema_registry_url``, without a slash at their end."""
        return tuple(
            url.strip().rstrip("/")
            for url in (self.schema_registry_url or "").split(",")
            if url.strip()
        )

    @property
    def affiliates(self) -> frozenset[str]:
        """The names in ``vtex_affiliates``."""
        return frozenset(self.vtex_affiliates.replace(",", " ").split())

    @property
    def output_topic(self) -> str:
        """The topic for decisions: live or shadow."""
        return self.shadow_topic if self.mode == "shadow" else self.decisions_topic

    @model_validator(mode="after")
    def _topics_differ(self) -> Self:
        topics = [
            *self.input_topics, self.decisions_topic, self.shadow_topic, self.dead_letters_topic
        ]  # fmt: skip
        if len(set(topics)) < len(topics):
            raise ValueError("the topics must differ")
        return self

    @model_validator(mode="after")
    def _one_key_for_each_order(self) -> Self:
        if self.affiliates and self.proof == "lane":
            raise ValueError(
                "PLAZO_PROOF must be `all` with PLAZO_VTEX_AFFILIATES: the records of an order "
                "may have two keys, and so two lanes"
            )
        if self.keys == "ignore" and self.proof == "lane":
            raise ValueError(
                "PLAZO_PROOF must be `all` with PLAZO_KEYS=ignore: the records of an order may be "
                "in any partition"
            )
        return self

    @model_validator(mode="after")
    def _proxy_is_whole(self) -> Self:
        given = (self.board_user_header, self.board_role_header, self.board_proxies)
        if any(given) and not all(given):
            # A name without a role, or from any address, would let everybody in.
            raise ValueError(
                "PLAZO_BOARD_USER_HEADER, PLAZO_BOARD_ROLE_HEADER and PLAZO_BOARD_PROXIES go "
                "together"
            )
        return self

    @model_validator(mode="after")
    def _batch_holds_a_record(self) -> Self:
        if self.max_batch_bytes < self.max_record_bytes:
            raise ValueError(
                "PLAZO_MAX_BATCH_BYTES must not be below PLAZO_MAX_RECORD_BYTES: a batch holds "
                "at least one record"
            )
        return self

    @model_validator(mode="after")
    def _registry_is_whole(self) -> Self:
        urls = self.schema_registry_urls
        user, password = self.schema_registry_username, self.schema_registry_password
        if self.decisions_encoding != "json" and not urls:
            raise ValueError(
                f"PLAZO_DECISIONS_ENCODING={self.decisions_encoding} needs "
                "PLAZO_SCHEMA_REGISTRY_URL"
            )
        if self.schema_registry_url and not urls:
            raise ValueError("PLAZO_SCHEMA_REGISTRY_URL holds no URL")
        for parts in map(urlsplit, urls):
            if parts.scheme not in ("http", "https") or not parts.netloc:
                raise ValueError("PLAZO_SCHEMA_REGISTRY_URL must be http:// or https://")
            if "@" in parts.netloc:
                raise ValueError(
                    "PLAZO_SCHEMA_REGISTRY_URL must hold no password: it is shown in logs; set "
                    "PLAZO_SCHEMA_REGISTRY_USERNAME and PLAZO_SCHEMA_REGISTRY_PASSWORD"
                )
        if not urls and (user or password or self.schema_registry_token):
            raise ValueError("an identity for the registry needs PLAZO_SCHEMA_REGISTRY_URL")
        if (user is None) != (password is None):
            raise ValueError(
                "PLAZO_SCHEMA_REGISTRY_USERNAME and PLAZO_SCHEMA_REGISTRY_PASSWORD go together"
            )
        if user is not None and self.schema_registry_token is not None:
            raise ValueError(
                "set a user and password for the registry or PLAZO_SCHEMA_REGISTRY_TOKEN, not both"
            )
        if self.schema_registry_ca_file and not all(url.startswith("https") for url in urls):
            raise ValueError(
                "PLAZO_SCHEMA_REGISTRY_CA_FILE needs PLAZO_SCHEMA_REGISTRY_URL=https://…"
            )
        return self

    @model_validator(mode="after")
    def _identity_is_whole(self) -> Self:
        if self.kafka_key_file and not self.kafka_cert_file:
            raise ValueError("PLAZO_KAFKA_KEY_FILE goes with PLAZO_KAFKA_CERT_FILE")
        if self.kafka_security_protocol.startswith("SASL_"):
            if self.kafka_sasl_mechanism == "OAUTHBEARER":
                if not self.kafka_sasl_token_file:
                    raise ValueError("OAUTHBEARER needs PLAZO_KAFKA_SASL_TOKEN_FILE")
            elif not (self.kafka_sasl_username and self.kafka_sasl_password):
                raise ValueError(
                    "SASL needs PLAZO_KAFKA_SASL_USERNAME and PLAZO_KAFKA_SASL_PASSWORD"
                )
        elif self.kafka_sasl_username or self.kafka_sasl_password or self.kafka_sasl_token_file:
            # An operator who sets a password expects it to be used.
            raise ValueError("a SASL identity needs PLAZO_KAFKA_SECURITY_PROTOCOL=SASL_…")
        if not self.kafka_security_protocol.endswith("SSL") and (
            self.kafka_ca_file or self.kafka_cert_file
        ):
            raise ValueError("certificates need PLAZO_KAFKA_SECURITY_PROTOCOL=SSL or SASL_SSL")
        return self

    @classmethod
    def documentation(cls) -> list[tuple[str, str, str]]:
        """Rows of variable, default and description, for the reference."""
        rows = []
        for name, field in cls.model_fields.items():
            if field.exclude:
                continue
            default = field.default
            if isinstance(default, timedelta):
                # A day is shown as 24 hours, the wording of the rule.
                hours = default == timedelta(days=1)
                default = "PT24H" if hours else isodate.duration_isoformat(default)
            elif isinstance(default, SecretStr):
                default = default.get_secret_value()
            shown = "" if default is None else str(default)
            rows.append((f"PLAZO_{name.upper()}", shown, field.description or ""))
        return rows


def sources() -> dict[str, str]:
    """Where the value of each field comes from: a place, or ``default``.

    A place is ``environment``, ``.env``, the directory of secrets, or a file with its line. It is
    told for values that are refused, too.
    """
    environment = {name.lower() for name, value in os.environ.items() if value}
    dotenv = {name.lower() for name, value in dotenv_values(ENV_FILE).items() if value}
    file = _settings_file(_outer("config"))
    directory = _outer("secrets_dir") or (file.values.get("secrets_dir") if file else None)
    secrets: set[str] = set()
    if directory and Path(directory).is_dir():
        secrets = {path.name.lower() for path in Path(directory).iterdir()}
    found = {}
    for field in Settings.model_fields:
        variable = f"{PREFIX}{field}".lower()
        if variable in environment:
            found[field] = "environment"
        elif variable in dotenv:
            found[field] = ENV_FILE
        elif variable in secrets:
            found[field] = str(directory)
        elif file is not None and field in file.values:
            found[field] = file.place(field)
        else:
            found[field] = "default"
    return found


def unknown_settings() -> Iterator[str]:
    """Each name that is no setting, with the setting that has the nearest name; in words.

    A misspelt setting would otherwise leave its default in force, and cancel by it. So would a
    settings file that cannot be read: its faults are among these.
    """
    known = {PREFIX + name.upper(): name for name in Settings.model_fields}
    for name, value in sorted({**dotenv_values(ENV_FILE), **os.environ}.items()):
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in known or _NOT_OURS.fullmatch(upper):
            continue
        if upper.endswith("PORT") and _LINK.fullmatch(value or ""):
            continue
        yield _no_such(name, upper, known)
    file = _settings_file(_outer("config"))
    if file is None:
        return
    yield from file.faults
    names = {name: name for name in known.values()}
    for name, line in file.lines.items():
        if name == "config":
            yield f"{file.path}:{line}: config cannot stand in the file itself"
        elif name not in names:
            bare = name.removeprefix(PREFIX.lower())
            yield f"{file.path}:{line}: {_no_such(name, bare, names)}"


def log_format() -> str:
    """The format of the logs, also while other settings are refused."""
    file = _settings_file(_outer("config"))
    return _outer("log_format") or (file.values.get("log_format") if file else None) or "auto"


def _no_such(name: str, like: str, known: Iterable[str]) -> str:
    nearest = next(iter(difflib.get_close_matches(like, known, 1)), None)
    return f"{name}: no such setting" + (f"; did you mean {nearest}?" if nearest else "")


def _outer(field: str) -> str | None:
    """The value of a field that says where others stand, from the environment or `.env`."""
    variable = f"{PREFIX}{field}".lower()
    for place in (os.environ, dotenv_values(ENV_FILE)):
        for name, value in place.items():
            if name.lower() == variable and value:
                return value
    return None


def _settings_file(named: str | Path | None) -> SettingsFile | None:
    # A missing file is a fault of the field itself.
    return read_settings_file(Path(named)) if named and Path(named).is_file() else None
