"""Check of the schema registry, where one is set."""

from collections.abc import Iterator

from worker.operations.checks.model import Check, Status
from worker.settings import Settings


def registry_check(settings: Settings, fault: str | None) -> Iterator[Check]:
    """Whether the registry answers and the worker can read its schemas; ``fault`` says why not."""
    if not settings.schema_registry_urls:
        return
    if fault is None:
        yield Check("schema registry", Status.OK, "it answers")
    else:
        yield Check(
            "schema registry", Status.FAULT, f"it does not serve us: {fault}",
            "see PLAZO_SCHEMA_REGISTRY_URL and the identity beside it; lanes wait for schemas "
            "that they do not know yet",
        )  # fmt: skip
