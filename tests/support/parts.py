"""Which Kafka the tests run against."""

import os
import shutil

from tests.support.apache_kafka import JARS, ApacheKafka
from worker.dev.broker import EmbeddedBroker

Kafka = ApacheKafka | EmbeddedBroker

_CHOICE = os.environ.get("PLAZO_TEST_KAFKA", "")  # "apache" or "embedded"; empty: what is there


def apache_kafka_is_here() -> bool:
    """Whether Java is here, and Kafka's jars or the Maven to fetch them."""
    if _CHOICE == "embedded":
        return False
    return shutil.which("java") is not None and (JARS.is_dir() or shutil.which("mvn") is not None)


def must_be_apache_kafka() -> bool:
    """In CI a test that silently does not run would be a lie."""
    return _CHOICE == "apache" or os.environ.get("CI") == "true"


def report() -> str:
    """The line at the head of a test run."""
    if apache_kafka_is_here():
        return "kafka: Apache Kafka"
    return (
        "kafka: the embedded broker, since Java or Maven is missing or unwanted. NOT RUN: tests "
        "marked `apache_kafka` (transactions, idempotence, crashes and hangs of the broker)"
    )


def new_kafka() -> Kafka:
    """A broker, not yet started."""
    return ApacheKafka() if apache_kafka_is_here() else EmbeddedBroker()


async def discard(kafka: Kafka) -> None:
    """End it, and its data."""
    await (kafka.close() if isinstance(kafka, ApacheKafka) else kafka.stop())
