"""What every client of Kafka shares."""

from typing import Any

from worker.settings import Settings


def client_options(settings: Settings, role: str) -> dict[str, Any]:
    """Keyword arguments for any aiokafka client. ``role`` names it in the broker's logs."""
    return {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "client_id": f"plazo-{role}",
        "request_timeout_ms": 20_000,
        "retry_backoff_ms": 200,
        # New partitions and new leaders are seen soon; a probe asks anew each time anyway.
        "metadata_max_age_ms": 15_000,
    }
