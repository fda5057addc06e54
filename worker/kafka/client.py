"""The options that all clients of Kafka share: addresses, time limits, authentication."""

import ssl
from pathlib import Path
from typing import Any

from aiokafka.abc import AbstractTokenProvider
from aiokafka.helpers import create_ssl_context

from worker.errors import KafkaUnavailable
from worker.kafka import aiokafka_patch
from worker.settings import Settings

aiokafka_patch.patch_aiokafka()


def client_options(settings: Settings, role: str) -> dict[str, Any]:
    """Return the keyword arguments of an aiokafka client. ``role`` names it in the broker's logs.

    Raises:
        KafkaUnavailable: a certificate cannot be read now. Its file may be being replaced.
    """
    aiokafka_patch.limit_batches(settings.max_batch_bytes)
    return {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "client_id": f"plazo-{role}",
        "request_timeout_ms": 20_000,
        "retry_backoff_ms": 200,
        # So new partitions and leaders are seen soon. A probe of offsets always asks again.
        "metadata_max_age_ms": 15_000,
        **_identity(settings),
    }


def _identity(settings: Settings) -> dict[str, Any]:
    protocol = settings.kafka_security_protocol
    options: dict[str, Any] = {"security_protocol": protocol}
    if protocol.endswith("SSL"):
        options["ssl_context"] = _tls(settings)
    if protocol.startswith("SASL_"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        if settings.kafka_sasl_mechanism == "OAUTHBEARER":
            assert settings.kafka_sasl_token_file is not None
            options["sasl_oauth_token_provider"] = _TokenFile(settings.kafka_sasl_token_file)
        else:
            assert settings.kafka_sasl_password is not None
            options["sasl_plain_username"] = settings.kafka_sasl_username
            options["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
    return options


def _tls(settings: Settings) -> ssl.SSLContext:
    """Check the broker's certificate and the name in it; no setting can turn this off."""
    try:
        return create_ssl_context(
            cafile=settings.kafka_ca_file,
            certfile=settings.kafka_cert_file,
            keyfile=settings.kafka_key_file,
        )
    except OSError as error:  # ssl.SSLError is one
        raise KafkaUnavailable(f"{type(error).__name__} on reading certificates") from None


class _TokenFile(AbstractTokenProvider):
    """A token in a file that another program renews, such as a projected token of Kubernetes."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def token(self) -> str:
        return self._file.read_text().strip()
